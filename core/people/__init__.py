"""Who is who: accounts on several platforms that belong to one person, by their own consent."""
