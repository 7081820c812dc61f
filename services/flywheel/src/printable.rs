//! Text from records, made safe to print.

/// `text` without the characters that would steer the terminal: whoever sent the record chose them.
pub(crate) fn printable(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// At most `bytes_max` of `bytes`, printable, with a word on what is left out. Line breaks stay where `lines` says so.
pub(crate) fn excerpt(bytes: &[u8], bytes_max: usize, lines: bool) -> String {
    let shown = &bytes[..bytes.len().min(bytes_max)];
    let text = String::from_utf8_lossy(shown);
    let mut excerpt =
        if lines { text.split('\n').map(printable).collect::<Vec<_>>().join("\n") } else { printable(&text) };
    if shown.len() < bytes.len() {
        excerpt.push_str(&format!(" ... and {} bytes more", bytes.len() - shown.len()));
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_replaced() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}");
    }

    #[test]
    fn an_excerpt_is_bounded_and_says_so() {
        assert_eq!(excerpt(b"one\ntwo\x1b", 100, true), "one\ntwo\u{fffd}");
        assert_eq!(excerpt(b"one\ntwo", 100, false), "one\u{fffd}two");
        assert_eq!(excerpt(&[b'x'; 10], 4, true), "xxxx ... and 6 bytes more");
        assert_eq!(excerpt("é".as_bytes(), 1, true), "\u{fffd} ... and 1 bytes more");
        assert_eq!(excerpt(b"", 0, true), "");
    }
}
