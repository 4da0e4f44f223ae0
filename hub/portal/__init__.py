"""The portal: what a village's staff see and take home of step 8; server-rendered, Chinese first."""

from hub.portal.app import create_app

__all__ = ["create_app"]
