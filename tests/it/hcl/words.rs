//! The words that modules are made of, and the pieces that break them.

pub const NAMES: [&str; 14] =
    ["a", "b1", "var", "local", "for_each", "a-b", "_x", "é", "null", "true", "backend", "terraform", "in", "endif"];
pub const NUMBERS: [&str; 8] = ["0", "1", "42", "1.5", "1e3", "2E-2", "007", "1.e2"];
pub const OPERATORS: [&str; 13] = ["+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "&&", "||"];
pub const LITERALS: [&str; 18] =
    ["a", " ", "é😀", "$", "%", "$$", "%%", "$${", "%%{", "$$${x}", "%%%{x}", "{", "}", "~", "#", "//", "/*", "'"];
pub const ESCAPES: [&str; 7] = ["\\n", "\\t", "\\\"", "\\\\", "\\u00e9", "\\U0001F600", "\\r"];
/// Whitespace in a line, and whitespace that may end it.
pub const SPACES: [&str; 6] = ["", " ", "  ", "\t", " /* c */ ", "/* \n */"];
pub const LINES: [&str; 5] = ["\n", "\r\n", " # c\n", "// \"c\n\n", "\n  "];
/// What is put into a module to break it.
pub const PIECES: [&str; 50] = [
    "\n",
    "\r",
    "\r\n",
    " ",
    "\t",
    "\"",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "${",
    "%{",
    "~}",
    "${~",
    "%{~",
    "%{ if a }",
    "%{ else }",
    "%{ endif }",
    "%{ for a in b }",
    "%{ endfor }",
    "<<EOT\n",
    "<<-EOT\n",
    "EOT\n",
    "EOT",
    "#",
    "//",
    "/*",
    "*/",
    "=",
    ":",
    "::",
    "=>",
    "?",
    ",",
    ".",
    "...",
    "*",
    "-",
    "!",
    "&",
    "|",
    "'",
    "`",
    ";",
    "\\",
    "$",
    "for ",
    "\u{feff}",
];
