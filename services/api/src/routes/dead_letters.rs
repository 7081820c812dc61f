//! Records that could not be taken.

use axum::{Json, extract::State};
use wire::dead_letters::DeadLetters;

use crate::{
    audit::{Action, Occasion, Outcome},
    cursor::Cursor,
    error::Error,
    example,
    letters::letter,
    parameters::{
        dead_letters::{DeadLetterParams, DeadLetterQuery},
        foreign_cursor,
    },
    problem::responses::OfDeadLetters,
    router::AppState,
};

/// Records that could not be taken
///
/// Whatever breaks its schema or the rules is kept whole, with its reason, and blocks nothing; here the newest come first. A
/// payload may hold personal data, and of a long one only the beginning is shown; who reads them is in the audit log. `flywheel
/// dead-letters` shows all of a record, and replays it.
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    operation_id = "listDeadLetters",
    tag = "operations",
    params(DeadLetterParams),
    responses(
        (status = 200, description = "A page of dead letters", body = DeadLetters, example = json!(example::dead_letters())),
        OfDeadLetters,
    )
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    occasion: Occasion,
    query: DeadLetterQuery,
) -> Result<Json<DeadLetters>, Error> {
    let list = format!("dead letters {:?}", query.filter);
    let before = match query.cursor.as_ref().map(|sealed| sealed.of(&list)) {
        None => None,
        Some(Some(Cursor::DeadLetters { after })) => Some(after),
        Some(_) => return Err(foreign_cursor()),
    };
    let turn = state.history.turn().await?;
    // One more than is shown tells whether there are more.
    let mut found = turn
        .store
        .dead_letters(&query.filter, before, query.limit.saturating_add(1))
        .await
        .map_err(|error| Error::history(&error))?;
    drop(turn);
    let more = found.len() > query.limit as usize;
    found.truncate(query.limit as usize);
    let next = found.last().filter(|_| more).map(|last| Cursor::DeadLetters { after: last.place() }.encode(&list));
    state.audit.told(occasion.entry(Action::ReadDeadLetters, query.filter.team.as_ref(), Outcome::Told)).await?;
    Ok(Json(DeadLetters { items: found.into_iter().map(letter).collect(), next_cursor: next }))
}
