"""Sampled mutation testing: does a package's own suite notice when its code is broken?"""
