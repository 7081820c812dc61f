//! The same question again and again, of which only changes are sent.

use reqwest::{
    StatusCode,
    header::{ETAG, HeaderValue},
};
use serde::de::DeserializeOwned;

use crate::{Client, Error, Question};

/// The last answer to a question that is asked again and again.
#[derive(Debug)]
pub struct Held<T> {
    question: Question<T>,
    last: Option<(T, Option<HeaderValue>)>,
}

/// What came of asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// There is an answer that was not there before.
    Anew,
    /// The last answer stands, and was not sent again.
    Same,
}

impl<T> Held<T> {
    /// Nothing is held yet.
    #[must_use]
    pub fn new(question: Question<T>) -> Self {
        Self { question, last: None }
    }

    /// The last answer.
    #[must_use]
    pub fn answer(&self) -> Option<&T> {
        self.last.as_ref().map(|(answer, _)| answer)
    }

    /// The question.
    #[must_use]
    pub fn question(&self) -> &Question<T> {
        &self.question
    }
}

impl Client {
    /// Asks again, with the `ETag` of the last answer, which is held on to when this fails.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn ask_again<T: DeserializeOwned>(&self, held: &mut Held<T>) -> Result<Asked, Error> {
        let etag = held.last.as_ref().and_then(|(_, etag)| etag.as_ref());
        let response = self.fetch(&held.question, etag).await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Asked::Same);
        }
        let etag = response.headers().get(ETAG).cloned();
        let answer = self.read(&held.question, response).await?;
        held.last = Some((answer, etag));
        Ok(Asked::Anew)
    }
}
