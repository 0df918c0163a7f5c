//! Lines and columns of places in a text. Asked in the order of the text, it is read once.

/// Knows how far it has counted.
pub(super) struct Places<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Places<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            column: 1,
        }
    }

    /// Line and character of a byte, from 1.
    pub(super) fn of(&mut self, at: usize) -> (usize, usize) {
        if at < self.at {
            *self = Self::new(self.text);
        }
        let between = self.text.get(self.at..at).unwrap_or_default();
        let lines = between.bytes().filter(|byte| *byte == b'\n').count();
        let on_line = between
            .rfind('\n')
            .map_or(between, |end| &between[end + 1..])
            .chars()
            .count();
        self.line += lines;
        self.column = if lines == 0 {
            self.column + on_line
        } else {
            1 + on_line
        };
        self.at += between.len();
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters_forwards_and_backwards() {
        let mut places = Places::new("aé\r\nüb\n\nc");
        let all = [
            (0, (1, 1)),
            (1, (1, 2)),
            (3, (1, 3)),
            (5, (2, 1)),
            (7, (2, 2)),
            (8, (2, 3)),
            (9, (3, 1)),
            (10, (4, 1)),
            (11, (4, 2)),
            (7, (2, 2)),
        ];
        for (at, place) in all {
            assert_eq!(places.of(at), place, "{at}");
        }
    }
}
