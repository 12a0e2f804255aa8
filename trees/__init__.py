"""Files beside a game, as every part of the product that meets them takes them: each rule once, with nothing below."""
