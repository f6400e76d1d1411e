//! Text of others → what may be told of it. Pure.

/// Most characters of a text of others that are repeated.
const SHOWN: usize = 200;

/// `text` on one line, without anything that a terminal, a log or a reader of YAML would obey.
pub fn printable(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// The same, no longer than may be shown.
pub fn short(text: &str) -> String {
    text.chars().take(SHOWN).map(shown).collect()
}

fn shown(character: char) -> char {
    match character {
        // line and paragraph separators, changes of direction, and what YAML forbids
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => ' ',
        character if character.is_control() => ' ',
        character => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_obeyed_is_left() {
        for obeyed in ["\n", "\r", "\u{1b}", "\u{7f}", "\u{85}", "\u{9b}", "\u{2028}", "\u{2029}", "\u{202e}", "\u{2066}", "\u{ffff}"] {
            assert_eq!(printable(&format!("a{obeyed}b")), "a b", "{obeyed:?}");
        }
        assert_eq!(printable("Größe 300×300 → ok"), "Größe 300×300 → ok");
        assert_eq!(short(&"ä\n".repeat(500)), "ä ".repeat(100));
    }
}
