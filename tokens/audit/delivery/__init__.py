"""Deliver the trail to the webhook, as batches of events or as security event tokens."""
