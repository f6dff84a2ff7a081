"""From this tree to a running stack and back: images, the function's zip, deployment."""
