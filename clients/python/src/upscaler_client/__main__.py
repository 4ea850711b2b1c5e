"""`python -m upscaler_client`."""

from upscaler_client.cli.main import run

if __name__ == "__main__":
    run()
