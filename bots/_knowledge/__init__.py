"""Documents that bots answer from: read, kept up to date, searched by words and by meaning, and cited."""
