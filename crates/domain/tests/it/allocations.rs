//! Reading what comes by the million allocates nothing.

use allocation_counter::measure;
use domain::record::decode;

use crate::support::examples;

#[test]
fn a_valid_usage_or_need_event_is_read_without_allocating() {
    let mut read = 0;
    for (name, example) in examples("valid") {
        let often = name.contains("usage.observed") || name.contains("need.signaled");
        // A number with a fraction is read by way of the tree.
        if often && !name.ends_with("/whole-float") {
            example.record.with(|record| {
                let allocated = measure(|| assert!(decode(record).is_ok()));
                assert_eq!(allocated.count_total, 0, "{name}");
            });
            read += 1;
        }
    }
    assert!(read >= 5, "only {read} examples");
}
