//! Any text has an answer.

use proptest::prelude::*;

use super::*;

fn some_source() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "terraform",
        "backend",
        "\"http\"",
        "cloud",
        "{",
        "}",
        "\n",
        " ",
        "=",
        "<<EOF",
        "EOF",
        "${",
        "%{",
        "\"",
        "\\",
        "#",
        "/*",
        "*/",
        "[",
        "]",
        "(",
        ")",
        "if",
        "for",
        "x",
        "é",
        ":",
        "?",
        ",",
        ".",
        "...",
        "-",
        "1",
        "\r\n",
        "\u{feff}",
        "null",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A file with something of everything.
const SOURCE: &str = "terraform {\n  backend \"http\" {\n    address = \"a${b}%{ if c ~}d%{ endif \
    }\\u00e9$${e}\"\n  }\n}\nlocals { x = { for k, v in a.*.b : \
     k => v[0].c... if !d } }\nx = <<-E\n  é ${f(<<F\n F\n)}\n  E\ny = a::b(1e3, [2,]...) ? (c) : \
     {\n d = 1 # e\n f : -2 /* g */\n}\n";

proptest! {
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in some_source()) {
        for name in ["main.tf", "main.tf.json", "main.tofu"] {
            for content in [bytes.clone(), text.clone().into_bytes()] {
                let source = Source { name: name.to_owned(), content: Ok(content) };
                judge(vec![source], Ask { program: None, include_json: true });
            }
        }
        let _ = of_archive(&bytes);
    }

    #[test]
    fn no_broken_file_panics(
        cuts in prop::collection::vec((0_usize..400, 0_usize..20, some_source()), 1..4),
    ) {
        let mut text: Vec<char> = SOURCE.chars().collect();
        for (from, length, inner) in cuts {
            let from = from.min(text.len());
            let to = (from + length).min(text.len());
            text.splice(from..to, inner.chars());
        }
        let text: String = text.into_iter().collect();
        look(&[("main.tf", &text)], None, false);
    }
}
