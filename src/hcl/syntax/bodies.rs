//! Bodies: arguments and blocks, handed over one after the other in the order of the file.

use std::collections::HashSet;
use std::time::Instant;

use super::cursor::Cursor;
use super::expressions;
use super::failure::{MAX_NESTING, SyntaxFailure};
use super::templates::literal;
use super::tokens::{SyntaxToken, TokenKind};

const ITEM: &str = "an argument or a block is expected here";
const ONE_LINE: &str = "a block on one line takes one argument and then `}`";

/// What stands in a body.
pub(in crate::hcl) struct Item<'a> {
    /// In how many blocks it stands. They are the last ones that were told with fewer.
    pub(in crate::hcl) depth: usize,
    pub(in crate::hcl) name: &'a str,
    /// Where its name begins.
    pub(in crate::hcl) at: usize,
    pub(in crate::hcl) what: What<'a>,
}

/// What it is.
pub(in crate::hcl) enum What<'a> {
    /// `name "label" {`
    Block { labels: Vec<String> },
    /// `name = value`
    Argument { value: &'a str },
}

/// Goes through a file; what it holds is told in its order. What was told before a failure is part
/// of a file that cannot be loaded. So is a file that is not read by a time, if one is given.
pub(in crate::hcl) fn walk<'a>(
    text: &'a str,
    until: Option<Instant>,
    tell: &mut dyn FnMut(Item<'a>),
) -> Result<(), SyntaxFailure> {
    let mut walk = Walk {
        cursor: Cursor::new(text, until),
        open: Vec::new(),
        names: HashSet::new(),
        tell,
    };
    loop {
        let token = walk.cursor.peek();
        match token.kind {
            TokenKind::Newline => {
                walk.cursor.read();
            }
            TokenKind::Ident => walk.item()?,
            TokenKind::CloseBrace if !walk.open.is_empty() => {
                walk.cursor.read();
                walk.close()?;
            }
            TokenKind::End => {
                let unclosed = walk.open.last().map(|(_, at)| {
                    SyntaxFailure::new(*at, "the block that begins here has no `}`")
                });
                return unclosed.map_or(Ok(()), Err);
            }
            TokenKind::OpenQuote => {
                return Err(SyntaxFailure::new(
                    token.start,
                    "the names of arguments and blocks stand without quotation marks",
                ));
            }
            _ => return Err(walk.cursor.failure(token, ITEM)),
        }
    }
}

struct Walk<'a, 't> {
    cursor: Cursor<'a>,
    /// The arguments of the bodies around this one, and where the blocks begin that they go on
    /// behind.
    open: Vec<(HashSet<&'a str>, usize)>,
    /// The arguments of this body.
    names: HashSet<&'a str>,
    tell: &'t mut dyn FnMut(Item<'a>),
}

impl Walk<'_, '_> {
    fn item(&mut self) -> Result<(), SyntaxFailure> {
        let name = self.cursor.read();
        let next = self.cursor.peek();
        match next.kind {
            TokenKind::Equal => {
                self.argument(name)?;
                self.end_of_line("an argument ends with its line")
            }
            TokenKind::OpenQuote | TokenKind::OpenBrace | TokenKind::Ident => self.block(name),
            _ => Err(self
                .cursor
                .failure(next, "a `=` or a `{` is missing behind the name")),
        }
    }

    /// An argument, but not the end of its line.
    fn argument(&mut self, name: SyntaxToken) -> Result<(), SyntaxFailure> {
        self.cursor.expect(TokenKind::Equal, ONE_LINE)?;
        let start = self.cursor.peek().start;
        expressions::read(&mut self.cursor)?;
        let (value, text) = (
            self.cursor.slice(start, self.cursor.end),
            self.cursor.text(name),
        );
        if !self.names.insert(text) {
            return Err(SyntaxFailure::new(
                name.start,
                "this argument stands twice in one block",
            ));
        }
        (self.tell)(Item {
            depth: self.open.len(),
            name: text,
            at: name.start,
            what: What::Argument { value },
        });
        Ok(())
    }

    fn block(&mut self, name: SyntaxToken) -> Result<(), SyntaxFailure> {
        let mut labels = Vec::new();
        loop {
            let token = self.cursor.read();
            match token.kind {
                TokenKind::OpenBrace => break,
                TokenKind::Ident => labels.push(self.cursor.text(token).to_owned()),
                TokenKind::OpenQuote => labels.push(self.label()?),
                _ => {
                    return Err(self.cursor.failure(
                        token,
                        "a label in quotation marks or a `{` is missing on this line",
                    ));
                }
            }
        }
        (self.tell)(Item {
            depth: self.open.len(),
            name: self.cursor.text(name),
            at: name.start,
            what: What::Block { labels },
        });
        if self.open.len() >= MAX_NESTING {
            return Err(SyntaxFailure::new(
                name.start,
                format!("blocks are nested more than {MAX_NESTING} times"),
            ));
        }
        self.open
            .push((std::mem::take(&mut self.names), name.start));
        if matches!(
            self.cursor.peek().kind,
            TokenKind::Newline | TokenKind::End | TokenKind::CloseBrace
        ) {
            return Ok(());
        }
        let name = self.cursor.expect(TokenKind::Ident, ONE_LINE)?;
        self.argument(name)?;
        self.cursor.expect(TokenKind::CloseBrace, ONE_LINE)?;
        self.close()
    }

    /// A label, in which nothing can be evaluated.
    fn label(&mut self) -> Result<String, SyntaxFailure> {
        let mut label = String::new();
        loop {
            let token = self.cursor.read();
            match token.kind {
                TokenKind::QuotedLiteral => literal(&self.cursor, token, &mut label)?,
                TokenKind::CloseQuote => return Ok(label),
                _ => {
                    return Err(self
                        .cursor
                        .failure(token, "a label is a plain text, and ends on its line"));
                }
            }
        }
    }

    /// Behind the `}` of a block.
    fn close(&mut self) -> Result<(), SyntaxFailure> {
        self.names = self.open.pop().map(|(names, _)| names).unwrap_or_default();
        self.end_of_line("a block ends with the line of its `}`")
    }

    fn end_of_line(&mut self, otherwise: &'static str) -> Result<(), SyntaxFailure> {
        let token = self.cursor.peek();
        match token.kind {
            TokenKind::Newline => {
                self.cursor.read();
                Ok(())
            }
            TokenKind::End => Ok(()),
            _ => Err(self.cursor.failure(token, otherwise)),
        }
    }
}
