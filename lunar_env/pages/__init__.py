"""What pages and pictures of several programs share."""
