//! The models of the GPU backend's threads, and the broken copies that they must notice.

mod broken;

use interleavings::{gpu, gpu_deaf, gpu_doubled, gpu_endless, gpu_silent, gpu_unordered};

use broken::is_noticed;

#[test]
fn a_time_out_is_reported_in_time() {
    gpu::an_earlier_time_out_comes_first();
}

#[test]
fn a_call_gets_its_result_or_a_time_out() {
    gpu::every_call_gets_one_answer(2);
}

#[test]
fn a_worker_runs_each_job_once_and_in_order() {
    gpu::jobs_keep_their_order(2, 2, 2);
}

#[test]
fn a_lost_device_is_reported() {
    gpu::a_lost_device_leaves_no_call_without_an_answer();
}

#[test]
fn calls_share_no_workspace() {
    gpu::a_workspace_is_used_by_one_call(1, 2);
    gpu::a_workspace_is_used_by_one_call(2, 2);
}

#[test]
fn every_broken_copy_is_noticed() {
    is_noticed("deaf", "deadlock");
    is_noticed("endless", "deadlock");
    is_noticed("silent", "None");
    is_noticed("unordered", "out of order");
    is_noticed("doubled", "of 3 calls are seen");
}

#[test]
#[ignore = "a process of the test above"]
fn deaf() {
    gpu_deaf::an_earlier_time_out_comes_first();
}

#[test]
#[ignore = "a process of the test above"]
fn endless() {
    gpu_endless::an_earlier_time_out_comes_first();
}

#[test]
#[ignore = "a process of the test above"]
fn silent() {
    gpu_silent::every_call_gets_one_answer(2);
}

#[test]
#[ignore = "a process of the test above"]
fn unordered() {
    gpu_unordered::jobs_keep_their_order(1, 2, 2);
}

#[test]
#[ignore = "a process of the test above"]
fn doubled() {
    gpu_doubled::a_workspace_is_used_by_one_call(1, 2);
}
