//! Keys as the OpenAPI document describes them. Whatever stands behind a guard in the router is described so, by where it stands.

use utoipa::openapi::{
    OpenApi, RefOr, Response,
    path::Operation,
    response::Responses,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use super::scope::ADMIN;
use crate::{error::Error, problem::responses::describe};

/// The name of the scheme.
const KEY: &str = "key";

const DESCRIPTION: &str = "A key of the API, as `flywheel keys create` shows it, or a token of the issuer that the operator \
    configured. Beyond loopback one is required, unless the operator said otherwise; without one, where none is required, every \
    team's rankings are read and no more. A key's scopes say what it is good for: `rankings:read:<team>` or `rankings:read:*` for what is \
    told of a team, `evidence:read` for the numbers of few accounts and what persons wrote, of those teams, `admin` for dead letters.";

/// Describes the scheme.
pub(crate) fn scheme(document: &mut OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(DESCRIPTION)).build();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(KEY.to_owned(), SecurityScheme::Http(scheme).into());
}

/// Describes what readers are asked for.
pub(crate) fn readers(mut document: OpenApi) -> OpenApi {
    // The empty one: somebody without a key, where the operator requires none.
    let requirements = [SecurityRequirement::new(KEY, Vec::<String>::new()), SecurityRequirement::default()];
    guard(&mut document, &requirements, &refusals());
    document
}

/// Describes what operators are asked for.
pub(crate) fn operators(mut document: OpenApi) -> OpenApi {
    let mut errors = refusals();
    errors.push(Error::Forbidden { scope: ADMIN });
    guard(&mut document, &[SecurityRequirement::new(KEY, [ADMIN])], &errors);
    document
}

fn refusals() -> Vec<Error> {
    vec![
        Error::Unauthenticated,
        Error::WrongKey,
        Error::WrongToken,
        Error::TooManyRequests { per_s_max: 100, wait_s: 1 },
        Error::TooManyWrongKeys { wait_s: 6 },
        Error::KeysAway,
        Error::IssuerAway,
    ]
}

fn guard(document: &mut OpenApi, requirements: &[SecurityRequirement], errors: &[Error]) {
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch];
        for operation in operations.into_iter().flatten() {
            let Operation { security, responses, .. } = operation;
            *security = Some(requirements.to_vec());
            add(responses, errors);
        }
    }
}

/// Adds to what the operation answers; a status that it has already means one thing more.
fn add(responses: &mut Responses, errors: &[Error]) {
    for (status, added) in describe(errors.iter().cloned()) {
        match (responses.responses.get_mut(&status), added) {
            (Some(RefOr::T(described)), RefOr::T(added)) => join(described, added),
            (Some(_), _) => {}
            (None, added) => {
                responses.responses.insert(status, added);
            }
        }
    }
}

fn join(described: &mut Response, added: Response) {
    if described.description != added.description {
        described.description = format!("{} or {}", described.description, added.description);
    }
    for (media_type, added) in added.content {
        if let (Some(RefOr::T(content)), RefOr::T(added)) = (described.content.get_mut(&media_type), added) {
            content.examples.extend(added.examples);
        }
    }
}
