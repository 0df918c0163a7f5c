//! Each kind of expression in each place where one may stand, and each break in each place of
//! those.

/// Expressions of each kind.
const EXPRESSIONS: [&str; 46] = [
    "1.5",
    "a",
    "true",
    "\"x\"",
    "\"\"",
    "a.b",
    "a.0",
    "a.0.b",
    "a.0.1",
    "a[0]",
    "a[\"k\"].b",
    "a.*",
    "a.*.b.0",
    "a.*.0.1",
    "a.*.b.*",
    "a[*].b[*]",
    "-a",
    "!a.b",
    "- -1",
    "a + b * c",
    "a == b && c",
    "a - 1",
    "a-1",
    "a ? b : c",
    "a ? b ? c : d : e ? f : g",
    "(a)",
    "f()",
    "f(a, b)",
    "f(a,)",
    "f(a...)",
    "p::q::f(a)",
    "[a, b]",
    "[a,]",
    "{a = b, c : d}",
    "{a = b\nc = d\n}",
    "{(a) = b, \"c\" = d}",
    "[for a in b : c]",
    "[for a, b in c : d if e]",
    "{for a, b in c : d => e}",
    "{for a in b : c => d... if e}",
    "\"a${b}c\"",
    "\"${~ a ~}\"",
    "\"%{ if a }b%{ else }c%{ endif }\"",
    "\"%{~ for a, b in c ~}d%{ endfor }\"",
    "\"\\u00e9$${%%{\\\\\"",
    "\"${\"${a}\"}\"",
];

/// Where an expression may stand: before it and behind it.
const PLACES: [(&str, &str); 18] = [
    ("x = ", "\n"),
    ("x = ", ""),
    ("b {\nx = ", "\n}\n"),
    ("b \"l\" { x = ", " }\n"),
    ("x = (", ")\n"),
    ("x = [", "]\n"),
    ("x = {k = ", "}\n"),
    ("x = {(", ") = 1}\n"),
    ("x = ({k = ", "\n})\n"),
    ("x = f(", ")\n"),
    ("x = a[", "]\n"),
    ("x = [for k in ", " : v]\n"),
    ("x = {for k in v : ", " => 1}\n"),
    ("x = [for k in v : k if ", "]\n"),
    ("x = \"${", "}\"\n"),
    ("x = \"%{ if ", " }a%{ endif }\"\n"),
    ("x = <<A\n${", "}\nA\n"),
    ("x = <<-A\n  %{ for a in ", " }\n  b\n  %{ endfor }\n  A\n"),
];

/// Whole files, for what is no expression.
const FILES: [&str; 21] = [
    "terraform {\n  backend \"http\" {\n    address = \"a\"\n  }\n}\n",
    "terraform {\n  cloud {}\n}\n",
    "a b \"c\" {}\n",
    "a {}\nb {\n}\n",
    "x = <<A\nA\ny = <<A\nA\n",
    "x = <<A\n\nA # a\n}\ny = <<A\nA\n",
    "x = <<-A\n  b\n    A\n",
    "x = <<A\r\nb$\r\nA\r\n",
    "x = <<A\n$A\nA\n%\n$${\n%%{\n$\n A\n",
    "x = [<<A\nb\nA\n, <<B\nA\nB\n]\n",
    "x = {a = <<A\nb\nA\nc = 1}\n",
    "x = f(<<A\n${<<A\nb\nA\n}\nA\n)\n",
    "x = \"$\"\ny = \"%\"\nz = \"$$\"\n",
    "x = \"$$${a}$${b}%%%{c}\"\n",
    "x = 1 # a\n// b\n/* c\n */ y = 2 /* d */\n",
    "# a",
    "x = 1 // a",
    "x = a # b\r\ny = 1\r\n",
    "\u{feff}x = 1\n",
    "é = ü.ö\na\u{301} = 1\n",
    "x = 1e5\ny = 1.\nz = 1..2\n",
];

/// What is put into each place.
pub const BREAKS: [&str; 28] = [
    "\n", "\r\n", "\r", "# c\n", "/* c\n*/", " ", "\t", "\"", "{", "}", "(", ")", "[", "]", "$",
    "%", "${", "%{", "~}", ",", ".", "=", ":", "?", "-", "a", "1", "\\",
];

/// Every expression in every place.
pub fn whole() -> impl Iterator<Item = String> {
    let placed = PLACES.iter().flat_map(|(before, behind)| {
        EXPRESSIONS
            .iter()
            .map(move |inner| format!("{before}{inner}{behind}"))
    });
    placed.chain(FILES.iter().map(|file| (*file).to_owned()))
}

fn places(text: &str) -> impl Iterator<Item = usize> + use<> {
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect::<Vec<_>>()
        .into_iter()
}

/// Each of these with each break in each place.
pub fn with_each(breaks: &'static [&'static str]) -> impl Iterator<Item = String> {
    whole().flat_map(move |text| {
        places(&text).flat_map(move |at| {
            let (before, behind) = (text[..at].to_owned(), text[at..].to_owned());
            breaks
                .iter()
                .map(move |inner| format!("{before}{inner}{behind}"))
        })
    })
}

/// Each of these without each of its characters.
pub fn without_each() -> impl Iterator<Item = String> {
    whole().flat_map(|text| {
        places(&text).filter_map(move |at| {
            let length = text[at..].chars().next()?.len_utf8();
            Some(format!("{}{}", &text[..at], &text[at + length..]))
        })
    })
}
