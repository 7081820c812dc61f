//! Lists that come in pages.

use futures::{Stream, stream};
use serde::de::DeserializeOwned;
use wire::{ranking::Ranking, teams::Teams};

use crate::{Client, Error, Question};

/// An answer that says where the next page starts.
pub trait Paged: DeserializeOwned {
    /// What to send as `cursor` to get the next page; none on the last.
    fn next_cursor(&self) -> Option<&str>;
}

impl Paged for Ranking {
    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

impl Paged for Teams {
    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

impl Client {
    /// All pages of a list, each asked for when the one before has been taken; it ends after the last or with the first error.
    pub fn pages<T: Paged>(&self, question: &Question<T>) -> impl Stream<Item = Result<T, Error>> {
        let first = Some(question.clone());
        stream::unfold(first, async move |next| {
            let question = next?;
            let page = self.ask(&question).await;
            let cursor = page.as_ref().ok().and_then(T::next_cursor).map(str::to_owned);
            Some((page, cursor.map(|cursor| question.at_page(cursor))))
        })
    }
}
