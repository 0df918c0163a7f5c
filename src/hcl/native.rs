//! What one file in HCL says. The parser is strict about nesting, so no file can exhaust the stack.
//!
//! Where the parser reads something that the two programs read otherwise, the file is in doubt: the answer would be about another text than theirs.

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::parser::parse_body;
use hcl_edit::structure::{Attribute, Block, BlockLabel, Structure};
use hcl_edit::template::{Element, HeredocTemplate, StringTemplate};
use hcl_edit::visit::{self, Visit};

use super::{Doubt, ENCRYPTION, Found, Kind, Reading};

/// What the two programs pass over at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// Escapes of escapes, which the parser takes apart in another way than the two programs.
const AMBIGUOUS: [&str; 2] = ["$$${", "%%%{"];

/// Reads it.
pub(super) fn read(name: &str, text: &str) -> Reading {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let body = match parse_body(text) {
        Ok(body) => body,
        Err(error) => return Reading::doubt(name, Some(error.location().line()), format!("the file does not parse: {}", error.message())),
    };
    let mut file = File { name, text, reading: Reading::default() };
    for sign in AMBIGUOUS {
        if let Some(at) = text.find(sign) {
            file.doubt(at, format!("`{sign}` can be read in two ways; write it otherwise"));
        }
    }
    file.visit_body(&body);
    for block in body.blocks().filter(|block| block.ident.as_str() == "terraform") {
        file.settings(block);
    }
    file.reading
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
    reading: Reading,
}

impl File<'_> {
    fn doubt(&mut self, at: usize, reason: impl Into<String>) {
        let (line, _) = place(self.text, at);
        self.reading.doubts.push(Doubt { file: Some(self.name.to_owned()), line: Some(line), reason: reason.into() });
    }

    /// A `terraform` block at the top.
    fn settings(&mut self, block: &Block) {
        if !block.labels.is_empty() {
            self.doubt(start(block.ident.span()), "a `terraform` block takes no label, so neither program would load the file");
        }
        for structure in &block.body {
            match structure {
                Structure::Block(inner) => self.setting(inner),
                Structure::Attribute(attribute) => self.argument(attribute),
            }
        }
    }

    fn argument(&mut self, attribute: &Attribute) {
        if let Some(kind) = Kind::of(attribute.key.as_str()) {
            let reason = format!("`{}` is a block and no argument, so neither program would load the file", kind.name());
            self.doubt(start(attribute.key.span()), reason);
        }
    }

    fn setting(&mut self, block: &Block) {
        self.reading.encrypts |= block.ident.as_str() == ENCRYPTION;
        let Some(kind) = Kind::of(block.ident.as_str()) else { return };
        let at = start(block.ident.span());
        if block.labels.len() != kind.labels() {
            let (name, labels) = (kind.name(), kind.labels());
            self.doubt(at, format!("a `{name}` block takes {labels} labels, so neither program would load the file"));
            return;
        }
        let label = block.labels.first().map(|label| label.as_str().to_owned());
        let (line, column) = place(self.text, at);
        let address = (kind == Kind::Backend && label.as_deref() == Some("http")).then(|| address(block)).flatten();
        self.reading.found.push(Found { kind, label, file: self.name.to_owned(), line, column, address });
    }
}

fn address(block: &Block) -> Option<String> {
    block.body.get_attribute("address")?.value.as_str().map(str::to_owned)
}

fn start(span: Option<std::ops::Range<usize>>) -> usize {
    span.map_or(0, |span| span.start)
}

/// Line and character of a byte, from 1.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Looks for what the two programs read otherwise.
impl Visit for File<'_> {
    fn visit_expr(&mut self, node: &Expression) {
        if let Expression::String(text) = node {
            self.one_line(text.span());
        }
        visit::visit_expr(self, node);
    }

    fn visit_block_label(&mut self, node: &BlockLabel) {
        self.one_line(node.span());
    }

    fn visit_string_template(&mut self, node: &StringTemplate) {
        for element in node {
            if let Element::Literal(literal) = element {
                self.one_line(literal.span());
            }
        }
        visit::visit_string_template(self, node);
    }

    fn visit_heredoc_template(&mut self, node: &HeredocTemplate) {
        let Some(span) = node.span() else { return };
        let (inside, after) = (self.text.get(span.clone()).unwrap_or_default(), self.text.get(span.end..).unwrap_or_default());
        let delimiter = node.delimiter.as_str();
        let closes = |line: &&str| line.trim() == delimiter;
        let ends_its_line = after.lines().next().unwrap_or_default().trim().is_empty();
        if !ends_its_line || inside.lines().filter(closes).count() != 1 {
            self.doubt(span.start, format!("the end of this heredoc is unclear; `{delimiter}` has to stand alone on one line"));
        }
        visit::visit_heredoc_template(self, node);
    }
}

impl File<'_> {
    /// A text in quotation marks ends on its line.
    fn one_line(&mut self, span: Option<std::ops::Range<usize>>) {
        let Some(span) = span else { return };
        if self.text.get(span.clone()).is_some_and(|text| text.contains('\n')) {
            self.doubt(span.start, "the file does not parse: a text in quotation marks goes over the end of its line");
        }
    }
}
