"""What several pilots share."""
