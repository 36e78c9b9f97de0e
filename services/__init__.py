"""The five services of llmchat, a folder each."""
