"""The laptop's AWS: start the emulator, deploy the template, run the services."""
