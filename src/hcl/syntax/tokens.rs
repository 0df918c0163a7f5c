//! The words of the language, as the scanner hands them on.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// `name`
    Ident,
    /// `1.5e3`
    Number,
    /// `"`, where a text in quotation marks begins.
    OpenQuote,
    /// `"`, where it ends.
    CloseQuote,
    /// `<<NAME` with the end of its line.
    OpenHeredoc,
    /// `NAME`, alone on its line.
    CloseHeredoc,
    /// A piece of a text in quotation marks, which may hold escapes.
    QuotedLiteral,
    /// A piece of a heredoc.
    HeredocLiteral,
    /// `${`
    Interpolation,
    /// `%{`
    Directive,
    /// `}` or `~}`, where one of these ends.
    SequenceEnd,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    OpenParen,
    CloseParen,
    Dot,
    Comma,
    Ellipsis,
    Colon,
    DoubleColon,
    Question,
    Equal,
    FatArrow,
    Star,
    Minus,
    Bang,
    /// `+`, `==`, `&&` and all others that stand between two values and nowhere else.
    Operator,
    /// The end of a line, also where a comment ends it.
    Newline,
    /// The end of the file.
    End,
    /// What means nothing, and why.
    Bad(&'static str),
}

/// A token and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxToken {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}
