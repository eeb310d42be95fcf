//! Colours, or none.

/// Whether text is painted. The words always say the same without colours.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Whether to use colours.
    pub(crate) color: bool,
}

impl Style {
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what a person must not overlook.
    pub(crate) fn alarm(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what waits.
    pub(crate) fn waiting(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
