"""What Schemathesis does not check by itself."""

import re

import schemathesis

# Of a question that the document allows, only this may be wrong: what no schema can say.
BEYOND_SCHEMAS = [
    r"is in the future: it is .* now",
    r"from must be before to",
    r"demand_weight and need_weight must add up to 1",
    r"one of tier_weight_standard, tier_weight_growth and tier_weight_enterprise must be above 0",
    r"takes the `next_cursor` of a page of this list, as it came",
    r"pages through .*",
]


@schemathesis.check
def valid_questions_are_refused_for_what_no_schema_says(ctx, response, case):
    if response.status_code != 400 or not case.meta.generation.mode.is_positive:
        return
    for error in response.json()["errors"]:
        if not any(re.fullmatch(reason, error["detail"]) for reason in BEYOND_SCHEMAS):
            raise AssertionError(f"the document allows this: {error['parameter']}: {error['detail']}")


@schemathesis.check
def every_answer_has_an_id_and_is_taken_as_what_it_is(ctx, response, case):
    if not response.headers.get("x-request-id"):
        raise AssertionError("no x-request-id")
    if response.headers.get("x-content-type-options") != ["nosniff"]:
        raise AssertionError("no x-content-type-options: nosniff")
    if response.status_code >= 400:
        problem = response.json()
        if response.headers.get("content-type") != ["application/problem+json"]:
            raise AssertionError("an error that is no problem")
        if problem["status"] != response.status_code or [problem["request_id"]] != response.headers["x-request-id"]:
            raise AssertionError("the problem is not that of this answer")


@schemathesis.check
class EveryOperationSucceedsOnce:
    """Names of nothing get a 404 everywhere: a run of these alone would show nothing."""

    def __init__(self):
        self.asked = {}

    def after_response(self, ctx, response, case):
        name = case.operation.label
        self.asked[name] = self.asked.get(name, False) or response.status_code == 200

    def after_run(self, ctx):
        never = sorted(name for name, succeeded in self.asked.items() if not succeeded)
        if never:
            raise AssertionError(f"never answered with 200: {', '.join(never)}")
