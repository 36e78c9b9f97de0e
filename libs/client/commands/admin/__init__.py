"""`llmchat admin`: what administrators do. Whoever holds the installation's secret key is one."""
