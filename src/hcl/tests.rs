//! Tricky sources, one after the other, and texts that are none.

use proptest::prelude::*;

use super::*;

fn look(files: &[(&str, &str)], program: Option<Program>, include_json: bool) -> Detection {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    judge(
        of_map(files).expect("good names"),
        Ask {
            program,
            include_json,
        },
    )
}

/// The answer in short: `backend http 2:3`, `none`, or `? 2`.
fn short(detection: &Detection) -> String {
    match detection.answer {
        Answer::None => "none".to_owned(),
        Answer::Undecided => format!("? {}", detection.undecided[0].line.unwrap_or(0)),
        Answer::Configured => {
            let one = |found: &Found| {
                let label = found
                    .label
                    .as_ref()
                    .map(|label| format!(" {label}"))
                    .unwrap_or_default();
                format!(
                    "{}{label} {}:{}",
                    found.kind.name(),
                    found.line,
                    found.column
                )
            };
            detection
                .found
                .iter()
                .map(one)
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

#[track_caller]
fn rows(file: &str, rows: &[(&str, &str)]) {
    let answers: Vec<(&str, String)> = rows
        .iter()
        .map(|(text, _)| (*text, short(&look(&[(file, text)], None, true))))
        .collect();
    let expected: Vec<(&str, String)> = rows
        .iter()
        .map(|(text, answer)| (*text, (*answer).to_owned()))
        .collect();
    assert_eq!(answers, expected);
}

#[test]
fn sources_that_configure() {
    rows(
        "main.tf",
        &[
            (
                "terraform {\n  backend \"http\" {}\n}\n",
                "backend http 2:3",
            ),
            ("terraform {\n  backend http {\n  }\n}", "backend http 2:3"),
            (
                "terraform {\n  cloud {\n    organization = \"x\"\n  }\n}\n",
                "cloud 2:3",
            ),
            (
                "terraform {\n  state_store \"x_y\" {\n    provider \"x\" {}\n  }\n}\n",
                "state_store x_y 2:3",
            ),
            (
                "\u{feff}terraform {\n  backend \"s3\" {}\n}\n",
                "backend s3 2:3",
            ),
            (
                "terraform {\r\n  backend \"s3\" {}\r\n}\r\n",
                "backend s3 2:3",
            ),
            (
                "/* a */ terraform /* b */ {  # c\n\n\t// d\n\tbackend\t/* e \
                    */\"gcs\"   {   \n}\n}",
                "backend gcs 4:2",
            ),
            (
                "terraform {}\n\nterraform {\n  backend \"x\" {}\n}\nterraform {}\n",
                "backend x 4:3",
            ),
            ("terraform {\n  backend \"\" {}\n}\n", "backend  2:3"),
            (
                "locals {\n  é = \"ü\" /* ö */\n}\nterraform {\n /* é */ backend \"ü\" {}\n}\n",
                "backend ü 5:10",
            ),
            (
                "locals {\n  x = <<-EOT\n    EOTX ${join(\",\", [for k, v in var.m : \
                    \"${k}=${v}\"])}\n  EOT\n}\nterraform {\n  backend \"x\" {}\n}",
                "backend x 7:3",
            ),
        ],
    );
}

#[test]
fn sources_that_only_look_like_it() {
    let none = [
        "",
        "# only a comment",
        "# terraform {\n#   backend \"http\" {}\n# }\n",
        "/*\nterraform {\n  backend \"http\" {}\n}\n*/\n",
        "locals {\n  x = <<EOF\nterraform {\n  backend \"http\" {\n  }\n}\nEOF\n}\n",
        "locals {\n  x = <<-EOF\r\n  terraform {\r\n  backend \"http\" \
            {\r\n  }\r\n}\r\n  EOF\r\n}\r\n",
        "locals {\n  x = \"terraform { backend \\\"http\\\" {} }\"\n}\n",
        "module \"m\" {\n  backend \"http\" {}\n}\n",
        "resource \"a\" \"b\" {\n  terraform {\n    backend \"http\" {}\n  }\n}\n",
        "backend \"http\" {}\n",
        "terraform {\n  required_version = \">= 1\"\n  required_providers {\n    backend = { \
            source = \"x/y\" }\n  }\n}\n",
        "terraform {\n  provider_meta \"x\" {\n    cloud {}\n  }\n}\n",
        "terraforms {\n  backend \"http\" {}\n}\n",
        "Terraform {\n  backend \"http\" {}\n}\n",
        "variable \"backend\" { default = { terraform = { cloud = {} } } }\n",
        "locals {\n  x = provider::a::b(1)\n  y = \"$${x} %%{if}\"\n  z = \"%{ if true ~}a%{ else \
            }b%{ endif }\"\n  w = { for k, v in {} : k => v... if v != null }\n}\n",
        "locals {\n  t = true ? 1e3 : -x.y[0].*.z\n  u = (a\n    && !b)\n  v = f([1, 2]...)\n}\n",
    ];
    for text in none {
        let detection = look(&[("main.tf", text)], None, false);
        assert_eq!(
            short(&detection),
            "none",
            "{text}: {:?}",
            detection.undecided
        );
    }
}

#[test]
fn expressions_go_on_over_lines_wherever_the_programs_let_them() {
    let expressions = [
        "[for name in true\n    ? [\"a\"]\n  : [\"b\"] : upper(name)]",
        "{ for name, size in var.sizes : name =>\n    size > 1 ? \"large\" :\n    \"small\"\n  }",
        "{\n for\n a\n,\n b\n in\n c\n :\n d\n =>\n e\n ...\n if\n f\n }",
        "(\n -\n !\n a\n .\n b\n [\n 0\n ]\n +\n c\n )",
        "[\n a\n ?\n b\n :\n c\n ,\n ]",
        "f(\n # one\n a\n ,\n b\n ...\n )",
        "\"${\n a\n }%{\n if\n b\n }c%{\n else\n }d%{\n endif\n }\"",
        "\"%{\n for\n a\n in\n b\n }c%{\n endfor\n }\"",
        "a[\n b\n ]",
        "{\n\n a = 1\n\n\n b = 2, c : 3,\n }",
        "{\n size = 2\n name = \"p\"\n\n size = 4\n }",
        "(\n { a = (\n 1\n ) }\n )",
        "<<A\nA\n  y = <<A\nA\n",
        "<<A\n\nA # a\nterraform {\n  backend \"http\" {}\n}\nA\n",
        "<<-A\n\t${ <<A\n A\n }\n\tA\n",
        "f(<<A\nx\nA\n, <<A\nA\n)",
        "\"$$${y}$${z}%%{a}$\"",
        "a.0.b.*.c.1[*].d",
    ];
    for text in expressions {
        let file = format!("locals {{\n  x = {text}\n}}\nterraform {{\n  backend \"x\" {{}}\n}}\n");
        let line = file.lines().count() - 1;
        assert_eq!(
            short(&look(&[("main.tf", &file)], None, false)),
            format!("backend x {line}:3"),
            "{text}"
        );
        let crlf = file.replace('\n', "\r\n");
        assert_eq!(
            short(&look(&[("main.tf", &crlf)], None, false)),
            format!("backend x {line}:3"),
            "{text}"
        );
    }
}

#[test]
fn the_address_of_an_http_backend_is_a_plain_text_or_none() {
    let address = |body: &str| {
        let detection = look(
            &[(
                "main.tf",
                &format!("terraform {{\n  backend \"http\" {body}\n}}\n"),
            )],
            None,
            false,
        );
        detection.effective().expect("configured").address.clone()
    };
    assert_eq!(
        address("{ address = \"http://a/$${b}\\u00e9\" }").as_deref(),
        Some("http://a/${b}é")
    );
    assert_eq!(
        address("{\n x {\n address = \"no\"\n }\n address /* a */ = /* b */ \"yes\" # c\n}")
            .as_deref(),
        Some("yes")
    );
    for none in [
        "{}",
        "{ address = a }",
        "{ address = \"${a}\" }",
        "{ address = (\"a\") }",
        "{\n address = <<A\nA\n}",
    ] {
        assert_eq!(address(none), None, "{none}");
    }
}

#[test]
fn labels_are_counted_in_words() {
    let reason = |text: &str| {
        look(&[("main.tf", text)], None, true).undecided[0]
            .reason
            .clone()
    };
    let one = reason("terraform {\n  backend {}\n}\n");
    assert!(
        one.starts_with("a `backend` block takes one label, so"),
        "{one}"
    );
    let none = reason("terraform {\n  cloud \"a\" {}\n}\n");
    assert!(
        none.starts_with("a `cloud` block takes no label, so"),
        "{none}"
    );
}

#[test]
fn whether_the_state_may_be_encrypted() {
    let block = "terraform {\n  encryption {\n  }\n}\n";
    let json = r#"{"terraform": {"encryption": {}}}"#;
    let files: [(&[(&str, &str)], bool); 6] = [
        (&[("main.tf", block)], true),
        (
            &[(
                "main.tf",
                "encryption {}\nterraform {\n  encryptions {}\n}\n# encryption {}\n",
            )],
            false,
        ),
        (&[("main.tf", ""), ("more.tofu", block)], true),
        (&[("main.tf", ""), ("more.tf.json", "{}")], false),
        (&[("main.tf", ""), ("more.tf.json", json)], true),
        (&[], false),
    ];
    for (files, expected) in files {
        assert_eq!(look(files, None, true).may_encrypt, expected, "{files:?}");
    }
    let unexamined = look(&[("main.tf", ""), ("more.tf.json", "{}")], None, false);
    assert!(
        unexamined.may_encrypt && unexamined.answer == Answer::None,
        "what nobody looked into may say so"
    );
    assert_eq!(
        look(&[("main.tf", ""), ("more.tofu", block)], None, true).answer,
        Answer::None,
        "it changes no answer"
    );
}

#[test]
fn sources_that_are_undecided() {
    rows(
        "main.tf",
        &[
            ("terraform {\n  backend \"http\" {}\n", "? 1"),
            (
                "terraform {\n  backend \"http\" {}\n}\nresource {{\n",
                "? 4",
            ),
            ("resource \"a\" \"b\" {\n  x = \n}\n", "? 2"),
            ("x = \"open\n", "? 1"),
            ("locals {\n  x = \"a\nb\"\n}\n", "? 2"),
            ("locals {\n  x = \"${y}a\nb\"\n}\n", "? 2"),
            ("locals {\n  x = <<EOF\nno end\n}\n", "? 2"),
            ("/* no end\n", "? 1"),
            ("terraform {\n  backend {}\n}\n", "? 2"),
            ("terraform {\n  backend \"a\" \"b\" {}\n}\n", "? 2"),
            ("terraform {\n  cloud \"a\" {}\n}\n", "? 2"),
            ("terraform {\n  backend = \"http\"\n}\n", "? 2"),
            ("terraform \"x\" {\n}\n", "? 1"),
            ("locals {\n  x = var.x.0.1\n}\n", "? 2"),
            ("locals {\n  x = 1\n  y = 2\n  x = 3\n}\n", "? 4"),
            ("locals {\n  x = 'a'\n}\n", "? 2"),
            ("locals {\n  x = \"\\q\"\n}\n", "? 2"),
            ("locals {\n  x = \"\\ud800\"\n}\n", "? 2"),
            ("locals {\n  x = [\n    1\n    2\n  ]\n}\n", "? 4"),
            ("locals {\n  x = {\n    a = 1 b = 2\n  }\n}\n", "? 3"),
            ("locals {\n  x = a\n    + b\n}\n", "? 3"),
            ("locals { x = 1\n}\n", "? 1"),
            ("locals { x = 1, y = 2 }\n", "? 1"),
            ("locals {} terraform {}\n", "? 1"),
            ("locals\n{}\n", "? 1"),
            ("locals {\n  x = \"%{ if a }b\"\n}\n", "? 2"),
            (
                "locals {\n  x = \"%{ for a in b }%{ else }%{ endfor }\"\n}\n",
                "? 2",
            ),
            ("locals {\n  x = [for a in b : c => d]\n}\n", "? 2"),
            ("locals {\n  x = {for a in b : c}\n}\n", "? 2"),
            ("locals {\n  x = f(a..., b)\n}\n", "? 2"),
            ("locals {\n  x = a.*.b.*.c\n}\n", "? 2"),
            ("locals {\n  x = a & b\n}\n", "? 2"),
            ("locals {\n  x = 1.2.3\n}\n", "? 2"),
            ("locals {\n  x = 1\u{a0}+ 2\n}\n", "? 2"),
            ("\"terraform\" {}\n", "? 1"),
            ("terraform {\n  backend \"${x}\" {}\n}\n", "? 2"),
            ("\u{feff}\u{feff}terraform {}\n", "? 1"),
            ("terraform {\r  backend \"http\" {}\r}\r", "? 1"),
        ],
    );
    let detection = judge(
        vec![Source {
            name: "a.tf".to_owned(),
            content: Ok(b"# a\n# \xff\n".to_vec()),
        }],
        Ask::default(),
    );
    assert_eq!(short(&detection), "? 2");
}

#[test]
fn json_is_examined_only_when_asked() {
    let text = "{\n \"terraform\": {\"backend\": {\"http\": {}}}\n}";
    let without = look(&[("main.tf.json", text)], None, false);
    assert_eq!(
        (short(&without).as_str(), without.not_examined.as_slice()),
        ("none", ["main.tf.json".to_owned()].as_slice())
    );
    rows(
        "main.tf.json",
        &[
            (text, "backend http 2:36"),
            (
                "{\"terraform\": [{\"required_version\": \"1\"}, {\"backend\": [{\"s3\": [{}]}]}]}",
                "backend s3 1:64",
            ),
            ("[{\"terraform\": {\"cloud\": {}}}]", "cloud 1:26"),
            (
                "{\"terraform\": {\"state_store\": {\"x\": {}}}}",
                "state_store x 1:37",
            ),
            // A parser that keeps only the last of two equal names would not see it.
            (
                "{\"terraform\": {\"backend\": {\"a\": {}}}, \"terraform\": {}}",
                "backend a 1:33",
            ),
            ("{\"terr\\u0061form\": {\"cloud\": {}}}", "cloud 1:30"),
            ("{\"terraform\": {\"cloud\": null}}", "none"),
            ("{\"terraform\": [null, {\"cloud\": []}]}", "none"),
            // A label is missing, and both programs say so.
            ("{\"terraform\": {\"backend\": null}}", "? 1"),
            ("{\"terraform\": {\n\"backend\": {}}}", "? 2"),
            ("{\"terraform\": {\"backend\": []}}", "? 1"),
            ("{\"terraform\": {\"state_store\": [{}]}}", "? 1"),
            // A body may be a list of objects itself.
            (
                "{\"terraform\": [[{\"backend\": {\"local\": {}}}, {}]]}",
                "backend local 1:39",
            ),
            (
                "{\"terraform\": {\"backend\": {\"local\": [null]}}}",
                "backend local 1:38",
            ),
            (
                "{\"terraform\": {\"backend\": [{\"local\": {}}, {\"s3\": null}]}}",
                "backend local 1:38",
            ),
            ("{\"terraform\": {\"backend\": {\"local\": [1]}}}", "? 1"),
            (
                "{\"terraform\": {\"backend\": {\"local\": {}, \"//\": \"x\"}}}",
                "? 1",
            ),
            (
                "{\"//\": \"x\", \"terraform\": {\"//\": [1], \"backend\": {\"local\": {\"//\": 1}}}}",
                "backend local 1:59",
            ),
            ("[null]", "? 1"),
            ("[]", "none"),
            (
                "{\"terraform\": {\"required_version\": \"1\",\n\"required_version\": \"1\"}}",
                "? 2",
            ),
            ("{\"locals\": {\"x\":\n1e99999999999}}", "? 2"),
            (
                "{\"locals\": {\"x\": \"1e99999999999\", \"y\": -1.5E+3}}",
                "none",
            ),
            (
                "{\"module\": {\"x\": {\"terraform\": {\"backend\": {\"a\": {}}}}}}",
                "none",
            ),
            ("{}", "none"),
            ("{", "? 1"),
            ("{\"terraform\": \"x\"}", "? 1"),
            ("{\"terraform\": {\n\"backend\": {\"a\": 7}}}", "? 2"),
            ("", "? 1"),
        ],
    );
}

#[test]
fn each_program_has_its_answer() {
    let ours = "terraform {\n  backend \"http\" {}\n}\n";
    let files = [("main.tf", ""), ("main.tofu", ours)];
    assert_eq!(
        short(&look(&files, Some(Program::Terraform), false)),
        "none"
    );
    assert_eq!(
        short(&look(&files, Some(Program::Tofu), false)),
        "backend http 2:3"
    );
    assert_eq!(short(&look(&files, None, false)), "? 2");
    // Only OpenTofu could load it.
    assert_eq!(short(&look(&files[1..], None, false)), "backend http 2:3");
    // A block that OpenTofu does not see.
    let hidden = [("main.tf", ours), ("main.tofu", "")];
    assert_eq!(short(&look(&hidden, None, false)), "? 2");
    assert_eq!(short(&look(&hidden, Some(Program::Tofu), false)), "none");
    // What OpenTofu adds makes no difference.
    assert_eq!(
        short(&look(&[("main.tf", ours), ("more.tofu", "")], None, false)),
        "backend http 2:3"
    );
    // A hidden file that does not parse is in doubt for whoever loads it.
    let broken = [("main.tf", "}"), ("main.tofu", ours)];
    assert_eq!(
        short(&look(&broken, Some(Program::Tofu), false)),
        "backend http 2:3"
    );
    assert_eq!(short(&look(&broken, None, false)), "? 1");
}

#[test]
fn of_override_files_the_last_holds() {
    let block = |name: &str| format!("terraform {{\n  backend \"{name}\" {{}}\n}}\n");
    let (one, two, three) = (block("one"), block("two"), block("three"));
    let detection = look(
        &[
            ("a_override.tf", &two),
            ("z.tf", &one),
            ("override.tf", &three),
        ],
        None,
        false,
    );
    assert_eq!(
        detection.effective().expect("configured").label.as_deref(),
        Some("three")
    );
    assert_eq!(detection.found.len(), 3);
}

#[test]
fn nesting_is_no_danger() {
    let n = 100_000;
    for (open, close) in [
        ("[", "]"),
        ("(", ")"),
        ("{a=", "}"),
        ("\"${", "}\""),
        ("!", ""),
        ("f(", ")"),
        ("x ? ", " : 1"),
    ] {
        let text = format!(
            "locals {{\n  x = {}1{}\n}}\n",
            open.repeat(n),
            close.repeat(n)
        );
        assert_eq!(
            short(&look(&[("main.tf", &text)], None, false)),
            "? 2",
            "{open}"
        );
    }
    let blocks = format!("{}{}", "a {\n".repeat(n), "}\n".repeat(n));
    assert_eq!(
        look(&[("main.tf", &blocks)], None, false).answer,
        Answer::Undecided
    );
    let json = format!(
        "{{\"x\": {}{}, \"terraform\": {{\"cloud\": {{}}}}}}",
        "[".repeat(n),
        "]".repeat(n)
    );
    assert!(short(&look(&[("main.tf.json", &json)], None, true)).starts_with("cloud 1:"));
}

#[test]
fn lists_are_cut_but_the_last_holds() {
    let text = format!(
        "{}terraform {{\n  cloud {{}}\n}}\n",
        "terraform {\n  backend \"x\" {}\n}\n".repeat(MAX_TOLD)
    );
    let detection = look(&[("main.tf", &text)], None, false);
    assert!(detection.truncated);
    assert_eq!(
        (
            detection.found.len(),
            detection.effective().map(|found| found.kind)
        ),
        (MAX_TOLD, Some(Kind::Cloud))
    );
}

/// Where the work grew with the square of the size, these would take hours.
#[test]
fn work_grows_with_the_size() {
    const SIZE: usize = 512 * 1024;
    let pieces = [
        "a",
        "a\n",
        "\"",
        "\"\"",
        "${",
        "\"${",
        "%{",
        "$",
        "$$",
        "\\",
        "<<A\n",
        "A\n",
        "/*",
        "#",
        "#\n",
        "//",
        "1",
        "1.",
        "1e",
        ".",
        "{",
        "}",
        "[",
        "(",
        "-",
        "\r",
        "é",
        "a=1\n",
        "a{}\n",
        "a \"b\" ",
        "a{\n",
        "terraform{\ncloud{}\n}\n",
        "terraform{\ncloud \"\"{}\n}\n",
        "a?",
        "a.",
        "a[*]",
        "for a in ",
        "a::",
    ];
    for piece in pieces {
        for before in [
            "",
            "x = ",
            "x = \"",
            "x = <<A\n",
            "x = [",
            "x = {\n",
            "x = 1",
        ] {
            let text = format!("{before}{}", piece.repeat(SIZE / piece.len()));
            look(&[("main.tf", &text)], None, false);
        }
    }
    for (before, piece, behind) in [
        ("{", "\"terraform\":{\"cloud\":{}},", "\"a\":1}"),
        ("{\"terraform\":[", "{\"cloud\":1},", "{}]}"),
        ("[", "{},", "{}]"),
    ] {
        let text = format!("{before}{}{behind}", piece.repeat(SIZE / piece.len()));
        look(&[("main.tf.json", &text)], None, true);
    }
}

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
                judge(vec![Source { name: name.to_owned(), content: Ok(content) }], Ask { program: None, include_json: true });
            }
        }
        let _ = of_archive(&bytes);
    }

    #[test]
    fn no_broken_file_panics(cuts in prop::collection::vec((0_usize..400, 0_usize..20, some_source()), 1..4)) {
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
