"""What Claude models take of a request, over whichever API they are asked. Pure."""
