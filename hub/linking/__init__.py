"""Who is who where no number tells: second looks, pairs scored by Splink, decisions of people, keys that stay."""
