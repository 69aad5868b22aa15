use std::time::{Duration, Instant};

use super::simulation::{Cubic, LINK, Link, MTU, run};
use super::window::Window;

const SECOND: Duration = Duration::from_secs(1);

/// What its round trip holds of the link.
const FULL: u64 = 500_000;

fn window() -> Window {
    Window::new(MTU)
}

#[test]
fn random_loss_leaves_most_of_the_link_and_builds_no_queue() {
    for loss in [0.001, 0.01, 0.02] {
        let link = Link { loss, ..LINK };
        let [came] = run(&link, Instant::now(), 20 * SECOND, &mut [&mut window()])[..] else { panic!() };
        assert!(came.share_of(&link, 20 * SECOND) > 0.75, "{loss}: {came:?}");
        assert!(came.queue() < Duration::from_millis(8), "{loss}: {came:?}");
        assert!(came.most < 3 * FULL, "{loss}: {came:?}");
    }
    let link = Link { loss: 0.01, ..LINK };
    let [cubic] = run(&link, Instant::now(), 20 * SECOND, &mut [&mut Cubic::new()])[..] else { panic!() };
    assert!(cubic.share_of(&link, 20 * SECOND) < 0.1, "the link is none on which CUBIC fails: {cubic:?}");
}

#[test]
fn a_full_queue_makes_it_give_way() {
    let [came] = run(&LINK, Instant::now(), 30 * SECOND, &mut [&mut window()])[..] else { panic!() };
    assert!(came.share_of(&LINK, 30 * SECOND) > 0.9, "{came:?}");
    assert!(came.overran * 100 < came.arrived, "{came:?}");
    assert!(came.most < 3 * FULL, "{came:?}");
}

#[test]
fn a_queue_too_short_to_be_seen_is_not_overrun_for_long() {
    for queue in [6e3, 15e3, 25e3] {
        let link = Link { queue, ..LINK };
        let [came] = run(&link, Instant::now(), 30 * SECOND, &mut [&mut window()])[..] else { panic!() };
        assert!(came.overran * 50 < came.arrived, "{queue}: {came:?}");
    }
}

#[test]
fn more_losses_than_chance_makes_count_as_with_cubic() {
    let link = Link { loss: 0.1, ..LINK };
    let mut window = window();
    run(&link, Instant::now(), 20 * SECOND, &mut [&mut window]);
    assert!(window.bytes() < FULL / 5, "{}", window.bytes());
}

#[test]
fn two_share_a_link() {
    for (queue, loss) in [(500e3, 0.0), (125e3, 0.0), (500e3, 0.01)] {
        let link = Link { queue, loss, ..LINK };
        let (mut one, mut other) = (window(), window());
        for came in run(&link, Instant::now(), 60 * SECOND, &mut [&mut one, &mut other]) {
            assert!(came.share_of(&link, 60 * SECOND) > 0.25, "{queue}, {loss}: {came:?}");
        }
    }
}

#[test]
fn it_shares_a_queue_with_cubic() {
    for queue in [2e6, 500e3, 125e3] {
        let link = Link { queue, ..LINK };
        for came in run(&link, Instant::now(), 120 * SECOND, &mut [&mut window(), &mut Cubic::new()]) {
            assert!(came.share_of(&link, 120 * SECOND) > 0.25, "{queue}: {came:?}");
        }
    }
}

#[test]
fn acknowledgements_that_come_together_do_not_open_the_window() {
    for batch in [10, 25].map(Duration::from_millis) {
        let link = Link { loss: 0.01, batch, ..LINK };
        let [came] = run(&link, Instant::now(), 20 * SECOND, &mut [&mut window()])[..] else { panic!() };
        assert!(came.most < 3 * FULL && came.queue() < Duration::from_millis(8), "{batch:?}: {came:?}");
    }
}

#[test]
fn a_path_that_got_longer_is_known_after_a_minute() {
    let (near, mut window) = (Link { loss: 0.01, ..LINK }, window());
    let begin = Instant::now();
    run(&near, begin, 5 * SECOND, &mut [&mut window]);
    let far = Link { round_trip: Duration::from_millis(70), ..near };
    run(&far, begin + 5 * SECOND, 65 * SECOND, &mut [&mut window]);
    let [came] = run(&far, begin + 70 * SECOND, 20 * SECOND, &mut [&mut window])[..] else { panic!() };
    assert!(came.share_of(&far, 20 * SECOND) > 0.6, "{came:?}");
}

#[test]
fn room_that_comes_is_taken_within_seconds() {
    let narrow = Link { rate: LINK.rate / 10.0, queue: 100e3, ..LINK };
    let (mut window, begin) = (window(), Instant::now());
    run(&narrow, begin, 10 * SECOND, &mut [&mut window]);
    let [came] = run(&LINK, begin + 10 * SECOND, 6 * SECOND, &mut [&mut window])[..] else { panic!() };
    assert!(came.share_of(&LINK, 6 * SECOND) > 0.7, "{came:?}");
}

#[test]
fn a_collapse_leaves_two_packets_and_slow_start_to_where_it_was() {
    let (mut window, begin) = (window(), Instant::now());
    run(&LINK, begin, 5 * SECOND, &mut [&mut window]);
    for _ in 0..3 {
        window.collapse(begin + 5 * SECOND);
        assert_eq!(window.bytes(), 2 * u64::from(MTU));
    }
    let [came] = run(&LINK, begin + 6 * SECOND, SECOND, &mut [&mut window])[..] else { panic!() };
    assert!(came.share_of(&LINK, SECOND) > 0.5, "{came:?}");
}

#[test]
fn before_anything_is_known_more_than_two_packets_are_on_their_way() {
    let mut window = window();
    for (mtu, bytes) in [(1_200, 12_000), (1_452, 14_520), (6_400, 14_720)] {
        window.set_mtu(mtu);
        assert_eq!(window.bytes(), bytes);
    }
    window.collapse(Instant::now());
    assert_eq!(window.bytes(), 12_800);
}

#[test]
fn larger_packets_are_no_reason_to_grow() {
    let (mut window, begin) = (window(), Instant::now());
    run(&LINK, begin, 10 * SECOND, &mut [&mut window]);
    let before = window.bytes();
    window.set_mtu(1_452);
    assert_eq!(window.bytes(), before);
    let (sent, now) = (begin + 11 * SECOND, begin + 11 * SECOND + Duration::from_millis(40));
    window.acknowledged(now, sent, 1_452, false);
    window.settle(now, before);
    assert!(window.bytes() < before + 2 * 1_452, "{before} {}", window.bytes());
}

#[test]
fn what_is_not_used_neither_grows_nor_shrinks() {
    let (mut window, begin) = (window(), Instant::now());
    let path = Duration::from_millis(40);
    for round in 0..1_000 {
        let (sent, now) = (begin + path * round, begin + path * (round + 1));
        // One has nothing more to send; another waits for its pacing.
        window.acknowledged(now, sent, 4_000, round % 2 == 0);
        window.settle(now, 0);
        if round % 10 == 0 {
            window.lost(now, sent, 100);
        }
        assert_eq!(window.bytes(), window.initial());
    }
}

#[test]
fn a_mark_of_the_network_counts_as_a_full_queue() {
    let (mut window, begin) = (window(), Instant::now());
    let now = begin + Duration::from_millis(40);
    window.acknowledged(now, begin, 1_200, false);
    window.settle(now, window.initial());
    let before = window.bytes();
    window.lost(now, begin, 0);
    assert_eq!(window.bytes(), before * 7 / 10);
    window.lost(now + Duration::from_millis(1), begin, 0);
    assert_eq!(window.bytes(), before * 7 / 10, "the same round has said so twice");
}
