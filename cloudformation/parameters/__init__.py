"""What the stack asks for, and the combinations it refuses."""
