"""Durable execution engines behind `ports.Engine`."""
