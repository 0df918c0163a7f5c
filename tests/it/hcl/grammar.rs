//! Modules by the grammar of HCL, with all that it allows in odd places; and the same with breaks
//! in them.

mod templates;

use super::words::{ESCAPES, LINES, NAMES, NUMBERS, OPERATORS, PIECES, SPACES};

/// So deep expressions are nested at most.
const MAX_DEPTH: u32 = 4;

/// Makes one module from its number.
pub struct Maker {
    state: u64,
    out: String,
    depth: u32,
    /// Names of heredocs are counted now and then, and used again otherwise.
    heredocs: usize,
}

impl Maker {
    pub fn new(number: u64) -> Self {
        Self {
            state: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5151_5151,
            out: String::new(),
            depth: 0,
            heredocs: 0,
        }
    }

    /// A number below this one.
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("a small number")
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn put_one(&mut self, of: &[&str]) {
        let text = self.pick(of);
        self.put(text);
    }

    /// Space, or lines where they may end.
    fn gap(&mut self, lines: bool) {
        if lines && self.one_in(3) {
            self.put_one(&LINES);
        } else {
            self.put_one(&SPACES);
        }
    }

    /// The same between two words.
    fn space(&mut self, lines: bool) {
        self.put(" ");
        self.gap(lines);
    }

    pub fn module(mut self) -> String {
        self.make();
        self.out
    }

    fn make(&mut self) {
        if self.one_in(30) {
            self.put("\u{feff}");
        }
        for number in 0..self.below(5) {
            match self.below(3) {
                0 => self.settings(),
                1 => self.block(0),
                _ => self.argument(number),
            }
        }
        if self.one_in(8) {
            // The last line need have no end.
            let length = self.out.trim_end_matches('\n').len();
            self.out.truncate(length);
        }
    }

    fn end_of_line(&mut self) {
        self.put_one(&SPACES);
        self.put_one(&LINES);
    }

    fn name(&mut self) {
        self.put_one(&NAMES);
    }

    fn argument(&mut self, number: usize) {
        self.put(&format!("arg{number}"));
        self.gap(false);
        self.put("=");
        self.gap(false);
        if self.one_in(6) {
            self.heredoc();
        } else {
            self.expression(false);
            self.end_of_line();
        }
    }

    fn settings(&mut self) {
        self.put("terraform");
        if self.one_in(20) {
            self.put(" \"label\"");
        }
        self.gap(false);
        self.put("{");
        self.end_of_line();
        for number in 0..self.below(4) {
            match self.below(8) {
                0 => self.argument(number),
                1 => self.block(1),
                2 if self.one_in(4) => self.put("backend = \"http\"\n"),
                3 => self.header("cloud", 0),
                4 => self.header("state_store", 1),
                _ => self.header("backend", 1),
            }
        }
        self.put("}");
        self.end_of_line();
    }

    /// A block that says where the state goes, now and then with a label too many or too few.
    fn header(&mut self, name: &str, labels: usize) {
        self.gap(false);
        self.put(name);
        let labels = if self.one_in(25) {
            self.below(3)
        } else {
            labels
        };
        for _ in 0..labels {
            self.label();
        }
        self.rest_of_block(2);
    }

    fn label(&mut self) {
        self.put(" ");
        match self.below(5) {
            0 => self.name(),
            1 => {
                self.put("\"");
                self.put_one(&ESCAPES);
                self.put_one(&["", "$", "$${", "é", "%"]);
                self.put("\"");
            }
            _ => self.put_one(&["\"http\"", "\"s3\"", "\"\"", "\"a b\""]),
        }
    }

    fn block(&mut self, depth: u32) {
        self.put_one(&[
            "resource",
            "variable",
            "locals",
            "backend",
            "encryption",
            "required_providers",
        ]);
        for _ in 0..self.below(3) {
            self.label();
        }
        self.rest_of_block(depth + 1);
    }

    fn rest_of_block(&mut self, depth: u32) {
        self.gap(false);
        self.put("{");
        match self.below(4) {
            0 => self.put_one(&SPACES),
            1 => {
                self.gap(false);
                self.put("arg =");
                self.gap(false);
                self.expression(false);
                self.gap(false);
            }
            _ => self.lines_of_block(depth),
        }
        self.put("}");
        self.end_of_line();
    }

    fn lines_of_block(&mut self, depth: u32) {
        self.end_of_line();
        for number in 0..self.below(3) {
            match self.below(3) {
                0 if depth < 4 => self.block(depth),
                _ => self.argument(number),
            }
        }
    }

    /// An expression; `lines` says whether lines may end in it.
    fn expression(&mut self, lines: bool) {
        self.depth += 1;
        let kinds = if self.depth > MAX_DEPTH { 4 } else { 17 };
        match self.below(kinds) {
            0 => self.put_one(&NUMBERS),
            1 | 2 => self.name(),
            3 => self.put_one(&["\"\"", "\"x\"", "true", "[]", "{}"]),
            4 => self.quoted(),
            5 => self.brackets("(", ")", 1, ""),
            6 => self.tuple(),
            7 => self.object(),
            8 => self.call(lines),
            9 => self.choice(lines),
            10 | 11 => self.operation(lines),
            12 => {
                self.put_one(&["-", "!", "- ", "!!"]);
                self.gap(lines);
                self.expression(lines);
            }
            13 => self.comprehension("[", "]"),
            14 => self.comprehension("{", "}"),
            15 if lines => self.heredoc(),
            _ => self.steps(lines),
        }
        self.depth -= 1;
    }

    fn brackets(&mut self, open: &str, close: &str, items: usize, between: &str) {
        self.put(open);
        for number in 0..items {
            if number > 0 {
                self.put(between);
            }
            self.gap(true);
            self.expression(true);
            self.gap(true);
        }
        self.put(close);
    }

    fn tuple(&mut self) {
        let items = self.below(4);
        let close = if items > 0 && self.one_in(3) {
            ",\n]"
        } else {
            "]"
        };
        self.brackets("[", close, items, ",");
    }

    fn call(&mut self, lines: bool) {
        self.put_one(&["upper", "provider::a::b", "core::x", "f"]);
        self.gap(lines);
        let items = self.below(3);
        let close = if items > 0 {
            self.pick(&[")", ")", ", )", "...)", "...\n)"])
        } else {
            ")"
        };
        self.brackets("(", close, items, ",");
    }

    fn object(&mut self) {
        self.put("{");
        self.gap(true);
        for _ in 0..self.below(4) {
            match self.below(4) {
                0 => self.quoted(),
                1 => self.brackets("(", ")", 1, ""),
                2 => self.put_one(&NUMBERS),
                _ => self.put_one(&["key", "a", "backend", "for-x"]),
            }
            self.gap(false);
            self.put_one(&["=", ":"]);
            self.gap(false);
            if self.one_in(8) {
                self.heredoc();
                continue;
            }
            self.expression(false);
            self.gap(false);
            self.put_one(&[",", "\n", ",\n", "\n\n", " # c\n"]);
            self.gap(true);
        }
        self.put("}");
    }

    fn choice(&mut self, lines: bool) {
        self.expression(lines);
        self.space(lines);
        self.put("?");
        self.gap(lines);
        self.expression(lines);
        self.space(lines);
        self.put(":");
        self.space(lines);
        self.expression(lines);
    }

    fn operation(&mut self, lines: bool) {
        self.expression(lines);
        for _ in 0..=self.below(2) {
            self.space(lines);
            self.put_one(&OPERATORS);
            self.space(lines);
            self.expression(lines);
        }
    }

    fn comprehension(&mut self, open: &str, close: &str) {
        self.put(open);
        self.gap(true);
        self.put("for");
        self.names();
        self.expression(true);
        self.space(true);
        self.put(":");
        self.space(true);
        self.expression(true);
        self.space(true);
        if open == "{" {
            self.put("=>");
            self.space(true);
            self.expression(true);
            self.space(true);
            self.put_one(&["", "..."]);
        }
        if self.one_in(3) {
            self.space(true);
            self.put("if");
            self.space(true);
            self.expression(true);
            self.gap(true);
        }
        self.put(close);
    }

    /// ` a, b in `
    fn names(&mut self) {
        self.space(true);
        self.name();
        if self.one_in(2) {
            self.gap(true);
            self.put(",");
            self.gap(true);
            self.name();
        }
        self.space(true);
        self.put("in");
        self.space(true);
    }

    fn steps(&mut self, lines: bool) {
        self.name();
        for _ in 0..=self.below(3) {
            self.gap(lines);
            match self.below(8) {
                0 => self.put_one(&[".0", ".12", ".0 ", ". 1"]),
                1 => self.put("[*]"),
                2 => self.put_one(&[".*", ".*.a", ".*.a.0", ".* .b"]),
                3 => self.brackets("[", "]", 1, ""),
                _ => {
                    self.put(".");
                    self.gap(lines);
                    self.name();
                }
            }
        }
    }

    /// A module that something was done to, once or a few times.
    pub fn broken_module(mut self) -> String {
        self.make();
        let mut text = std::mem::take(&mut self.out);
        for _ in 0..=self.below(3) {
            let from = self.place(&text);
            match self.below(4) {
                0 => text.insert_str(from, self.pick(&PIECES)),
                1 => text.insert(from, '\n'),
                2 => text.replace_range(from..word_end(&text, from), ""),
                _ => {
                    let word = text[from..word_end(&text, from)].to_owned();
                    let to = self.place(&text);
                    text.insert_str(to, &word);
                }
            }
        }
        text
    }

    fn place(&mut self, text: &str) -> usize {
        let at = self.below(text.len() + 1);
        (0..=at)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0)
    }
}

/// Where the word or the sign ends that begins here.
fn word_end(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    let word = rest
        .find(|letter: char| !letter.is_alphanumeric())
        .unwrap_or(rest.len());
    from + if word > 0 {
        word
    } else {
        rest.chars().next().map_or(0, char::len_utf8)
    }
}
