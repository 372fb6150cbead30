"""What `speech-emotion` does, a module a subject; heavy imports wait until a command needs them."""
