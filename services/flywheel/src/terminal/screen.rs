//! The terminal, or the file, that the ranking is written to.

use std::time::SystemTime;

use anyhow::Context;
use console::Term;
use domain::time::Timestamp;

use super::View;

/// Width where the output is no terminal: the whole table, no cell cut.
const FILE_COLUMNS: usize = 240;

/// The standard output, and what stands on it.
pub(super) struct Screen {
    term: Term,
    /// The ranking that stands on a terminal, to be replaced by the next one.
    picture: String,
    /// Lines on a terminal that the next picture replaces.
    drawn_lines: usize,
    /// The message last shown while waiting: not said twice where it cannot be replaced.
    waiting: Option<String>,
}

impl Screen {
    /// The process's standard output.
    pub(super) fn stdout() -> Self {
        Self { term: Term::buffered_stdout(), picture: String::new(), drawn_lines: 0, waiting: None }
    }

    /// Whether a picture can be replaced in place.
    pub(super) fn is_terminal(&self) -> bool {
        self.term.is_term()
    }

    /// How to draw for this screen, now.
    pub(super) fn view(&self) -> View {
        let (rows, columns) = self.term.size();
        let terminal = self.is_terminal();
        View {
            width: if terminal { usize::from(columns) } else { FILE_COLUMNS },
            lines_max: terminal.then(|| usize::from(rows).saturating_sub(1)),
            colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            now: now(),
        }
    }

    /// Writes `text` below what is there.
    pub(super) fn print(&mut self, text: &str) -> anyhow::Result<()> {
        self.waiting = None;
        self.write(text)
    }

    /// Writes `picture` in the place of the last one.
    pub(super) fn redraw(&mut self, picture: String) -> anyhow::Result<()> {
        self.waiting = None;
        self.replace(&picture)?;
        self.picture = picture;
        Ok(())
    }

    /// Says that there is nothing new to show, and why; a picture that stands stays above the message.
    pub(super) fn wait(&mut self, why: &str) -> anyhow::Result<()> {
        if self.waiting.as_deref() == Some(why) {
            return Ok(());
        }
        let message = format!("waiting: {why}\n");
        if self.is_terminal() {
            self.replace(&format!("{}{message}", self.picture))?;
        } else {
            self.write(&message)?;
        }
        self.waiting = Some(why.to_owned());
        Ok(())
    }

    fn replace(&mut self, text: &str) -> anyhow::Result<()> {
        self.term.clear_last_lines(self.drawn_lines).context("cannot draw on the terminal")?;
        self.write(text)?;
        self.drawn_lines = text.lines().count();
        Ok(())
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        self.term.write_str(text).and_then(|()| self.term.flush()).context("cannot write to the standard output")
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
