"""WhatsApp through Twilio: signed webhooks in, the Messages resource out."""
