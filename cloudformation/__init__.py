"""The flash sale's AWS resources, generated with troposphere."""
