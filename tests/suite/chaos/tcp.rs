//! The tunnel goes over TCP, and that network is bad: what is lost there comes later, and holds up all behind it.

use std::future::ready;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use gantz_agent::config::Transports;
use gantz_agent::tunnel::Transport;
use gantz_tests::link::{Course, Step, calm, fair};
use gantz_tests::{World, echo, relay};
use rand::RngExt;

use crate::linked::{A_WHILE, RECOVERY, loaded_over};
use crate::load::Load;
use crate::weather::dice;

/// The shortest time after which a lost segment is sent again (RFC 6298 §2.4, as systems have it).
const RETRANSMISSION: Duration = Duration::from_millis(200);

async fn loaded() -> (World, Load) {
    loaded_over(Transports::Tcp, Transport::Tcp).await
}

/// A load on this course for [`A_WHILE`], of which nobody notices more than that it takes longer.
async fn assert_unnoticed(course: Course) {
    let (world, load) = loaded().await;
    world.link.as_ref().unwrap().set_tcp(course);
    tokio::time::sleep(A_WHILE).await;
    load.flows(RECOVERY).await;
    load.finish().await.assert_unnoticed();
}

#[tokio::test]
async fn each_piece_takes_200_ms() {
    assert_unnoticed(Box::new(|_, _| Step::Waits(Duration::from_millis(200)))).await;
}

#[tokio::test]
async fn one_in_a_hundred_is_sent_again() {
    let mut dice = dice("a retransmission of 1 %");
    assert_unnoticed(Box::new(move |_, _| match dice.random_range(0..100) {
        0 => Step::Waits(RETRANSMISSION),
        _ => Step::Arrives,
    }))
    .await;
}

#[tokio::test]
async fn a_line_of_a_megabyte_a_second() {
    const BYTES_A_SECOND: f64 = 1e6;
    let mut free = [Instant::now(); 2];
    assert_unnoticed(Box::new(move |way, len| {
        let free = &mut free[way as usize];
        *free = (*free).max(Instant::now()) + Duration::from_secs_f64(len as f64 / BYTES_A_SECOND);
        Step::Waits(free.saturating_duration_since(Instant::now()))
    }))
    .await;
}

/// Less than a request is held for an agent that is away: nothing is given up.
#[tokio::test]
async fn a_stall_of_3_s_goes_unnoticed() {
    let mut end = None;
    assert_unnoticed(Box::new(move |_, _| {
        let end = *end.get_or_insert_with(|| Instant::now() + Duration::from_secs(3));
        Step::Waits(end.saturating_duration_since(Instant::now()))
    }))
    .await;
}

#[tokio::test]
async fn connections_are_cut_again_and_again() {
    let (world, load) = loaded().await;
    let link = world.link.as_ref().unwrap();
    for _ in 0..5 {
        link.set_tcp(Box::new(|_, _| Step::Breaks));
        tokio::time::sleep(Duration::from_millis(500)).await;
        link.set_tcp(calm());
        load.flows(RECOVERY).await;
    }
    load.finish().await.assert_honest();
}

/// Answers whose end comes after all of them has been passed on are not taken for mistakes of the agent's.
#[tokio::test]
async fn thousands_of_short_calls_are_as_good_as_one() {
    let world = relay().server(echo()).link(fair());
    let world = world.agent_config(|config| config.transports = Transports::Tcp).start().await;
    let caller = world.client();
    let calls = stream::iter(0..12_000).map(|_| caller.post(&world.url).bearer_auth(&world.token).body("short").send());
    let answers = calls.buffer_unordered(128).map(|answer| answer.unwrap().status().as_u16());
    let wrong: Vec<u16> = answers.filter(|status| ready(*status != 200)).collect().await;
    assert_eq!(wrong, [0u16; 0]);
}
