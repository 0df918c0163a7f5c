//! Texts as HCL writes them.

/// A text as HCL writes it, with nothing in it that means something else there.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "$${")
        .replace("%{", "%%{");
    format!("\"{}\"", escaped.replace('\n', "\\n").replace('\r', "\\r"))
}
