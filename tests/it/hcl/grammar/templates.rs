//! Texts in quotation marks and heredocs, with all that may stand in them.

use super::super::words::{ESCAPES, LITERALS};
use super::{MAX_DEPTH, Maker};

impl Maker {
    pub(super) fn quoted(&mut self) {
        self.put("\"");
        self.pieces(false);
        self.put("\"");
    }

    pub(super) fn heredoc(&mut self) {
        let flush = self.one_in(2);
        self.heredocs += usize::from(self.one_in(2));
        let marker = format!("{}{}", self.pick(&["EOT", "E-F", "é"]), self.heredocs);
        let end = if self.one_in(4) { "\r\n" } else { "\n" };
        self.put(if flush { "<<-" } else { "<<" });
        self.put(&marker);
        self.put(end);
        for _ in 0..self.below(4) {
            self.put_one(&[
                "",
                "  ",
                "\t",
                "x",
                "terraform {",
                "}",
                "\"",
                "\\",
                "$",
                "%",
            ]);
            // No line may begin with the end of this or of one around it.
            self.put(".");
            self.pieces(true);
            self.put_one(&["\n", "\r\n", "$\n", "%\r\n", " \n", ".EOT\n"]);
        }
        self.put_one(&["", "  ", "\t"]);
        self.put(&marker);
        self.put_one(&["", "", " "]);
        self.put(end);
    }

    /// The pieces of a template.
    fn pieces(&mut self, is_heredoc: bool) {
        self.depth += 1;
        let kinds = if self.depth > MAX_DEPTH { 2 } else { 6 };
        for _ in 0..self.below(3) {
            match self.below(kinds) {
                0 => self.literal(),
                1 if is_heredoc => self.literal(),
                1 => self.put_one(&ESCAPES),
                2 | 3 => {
                    self.put_one(&["${", "${~"]);
                    self.gap(true);
                    self.expression(true);
                    self.end_of_sequence();
                }
                4 => self.condition(is_heredoc),
                _ => self.repetition(is_heredoc),
            }
        }
        self.depth -= 1;
    }

    /// A literal that goes on with something that cannot make another sign of it.
    fn literal(&mut self) {
        self.put_one(&LITERALS);
        self.put_one(&["", "", "."]);
        if self.out.ends_with(['$', '%']) {
            self.put(".");
        }
    }

    fn end_of_sequence(&mut self) {
        self.gap(true);
        self.put_one(&["}", "}", "~}"]);
    }

    fn directive(&mut self, word: &str) {
        self.put_one(&["%{", "%{~"]);
        self.gap(true);
        self.put(word);
    }

    fn condition(&mut self, is_heredoc: bool) {
        self.directive("if");
        self.space(true);
        self.expression(true);
        self.end_of_sequence();
        self.pieces(is_heredoc);
        if self.one_in(2) {
            self.directive("else");
            self.end_of_sequence();
            self.pieces(is_heredoc);
        }
        self.directive("endif");
        self.end_of_sequence();
    }

    fn repetition(&mut self, is_heredoc: bool) {
        self.directive("for");
        self.names();
        self.expression(true);
        self.end_of_sequence();
        self.pieces(is_heredoc);
        self.directive("endfor");
        self.end_of_sequence();
    }
}
