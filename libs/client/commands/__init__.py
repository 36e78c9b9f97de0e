"""The commands of `llmchat`, one module each."""
