//! Numbers of few accounts, with the right to them and without.

use serde_json::Value;

use super::{EXPORTS, FEW, Key, World};

impl World {
    async fn json(&self, path: &str, key: &Key) -> Value {
        let (status, headers, body) = self.ask(path, key).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert_eq!(headers["cache-control"], "private, no-cache", "{path}");
        let vary = headers["vary"].to_str().expect("a text");
        assert!(vary.contains("authorization"), "{path}: {vary}");
        serde_json::from_str(&body).expect("JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_few_accounts_are_told_to_those_with_the_right_and_what_they_were_told_reaches_no_other() {
    let world = World::start().await;
    let reader = world.key(&["rankings:read:storage"]).await;
    let analyst = world.key(&["rankings:read:storage", "evidence:read"]).await;
    // Of two instants one is asked about first by the one, and one by the other.
    let [first, second] = [0, -1].map(|micros| world.now.plus_micros(micros).to_rfc3339());
    let then = world.now.minus_days(20.0).to_rfc3339();
    for question in [
        "rankings?segment=few",
        "rankings?segment=many",
        "rankings?segment=nobody",
        "rankings?tier_weight_enterprise=1",
        "rankings?activity_window_days=5",
        "rankings/diff?segment=few",
    ] {
        let at = |instant: &str| match question.starts_with("rankings/diff") {
            true => format!("/v1/teams/storage/{question}&from={then}&to={instant}"),
            false => format!("/v1/teams/storage/{question}&as_of={instant}"),
        };
        for (path, askers) in [(at(&first), [&analyst, &reader, &analyst]), (at(&second), [&reader, &analyst, &reader])]
        {
            for key in askers {
                if key.id == analyst.id {
                    world.json(&path, key).await;
                } else {
                    assert_eq!(world.refused(&path, key).await, (403, "withheld".to_owned()), "{path}");
                    let (_, _, body) = world.ask(&path, key).await;
                    assert!(body.contains("a key with the scope evidence:read"), "{body}");
                }
            }
        }
    }
    let of_few = world.json(&format!("/v1/teams/storage/rankings?segment=few&as_of={first}"), &analyst).await;
    assert_eq!(of_few["population"]["accounts"], FEW);

    // Where nothing is withheld, all get the same.
    let plain = format!("/v1/teams/storage/rankings?half_life_days=30&as_of={first}");
    assert_eq!(world.json(&plain, &analyst).await, world.json(&plain, &reader).await);
    cells(&world, &analyst, &reader, &first, &second).await;
}

/// The cells of an answer that is told to both.
async fn cells(world: &World, analyst: &Key, reader: &Key, first: &str, second: &str) {
    let shown = |evidence: &Value, list: &str| {
        let cells = evidence[list].as_array().expect("a list");
        cells.iter().filter(|cell| !cell["numbers"].is_null()).count()
    };
    for (instant, askers) in [(first, [analyst, reader]), (second, [reader, analyst])] {
        let evidence = format!("{EXPORTS}?as_of={instant}");
        let outcome = format!("/v1/teams/storage/features/search/outcome?as_of={instant}");
        for key in askers {
            let everything = key.id == analyst.id;
            let found = world.json(&evidence, key).await;
            assert_eq!(shown(&found, "tiers"), if everything { 3 } else { 0 }, "{found}");
            // The third is that of accounts without any, if anybody is there.
            assert_eq!(shown(&found, "segments") >= 2, everything, "{found}");
            assert!(everything || shown(&found, "segments") == 0, "{found}");
            let asked = &world.json(&outcome, key).await["asked"];
            assert_eq!(asked["accounts"], if everything { FEW.into() } else { Value::Null }, "{asked}");
            assert_eq!(asked["used"].is_null(), !everything, "{asked}");
        }
        // Neither has the other's answer.
        let (_, headers, _) = world.ask(&evidence, analyst).await;
        let request = world.http.get(format!("{}{evidence}", world.flywheel.api_url())).bearer_auth(&reader.text);
        let unchanged = request.header("if-none-match", &headers["etag"]).send().await.expect("an answer");
        assert_eq!(unchanged.status().as_u16(), 200);
    }
}
