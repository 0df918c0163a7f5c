//! Sources in HCL's native syntax.

use super::*;
use crate::model::clock;

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

#[test]
fn a_file_that_takes_too_long_is_undecided_and_says_so() {
    // Many small values, and so many steps, in a file of its own before the one that is late too.
    let deep = format!("x = a{}\n", "[0]".repeat(10_000));
    let sources = || {
        let files = [("a.tf", deep.clone()), ("b.tf", "y = 1\n".to_owned())];
        of_map(files.map(|(name, text)| (name.to_owned(), text)).into()).expect("good names")
    };
    assert_eq!(judge(sources(), Ask::default()).answer, Answer::None);
    let late = judge_until(sources(), Ask::default(), Some(clock::monotonic()));
    assert_eq!(late.answer, Answer::Undecided);
    assert!(
        late.undecided
            .iter()
            .all(|why| why.reason.contains("takes too long"))
    );
    // The time ends amid the first file.
    let reading = crate::hcl::native::read("a.tf", &deep, Some(clock::monotonic()));
    assert!(reading.doubts[0].reason.contains("takes too long"));
}
