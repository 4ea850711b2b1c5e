"""The command line: `upscaler`."""
