"""What is measured beside the services: each is a program of its own, on a core of its own."""
