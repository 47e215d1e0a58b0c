; The thread driver that is linked into every image: it runs the stages of a segment on a team of threads.
;
; Nothing here depends on the machine. The functions called @machine_* are in machine_<architecture>.ll, but for
; @machine_run_mode, which is in <denormals>_<architecture>.ll. Their text is appended to this file before it is compiled
; (see __init__.py). A worker keeps the mode of the image that it runs, and serves only images with the same one.
;
; The memory of a team. What the participants of a barrier write has two cache lines of its own (adjacent lines
; are often fetched together). runtime/threads.py allocates it, zeroed, and never frees it.
;
;   offset  type  name          meaning
;   0       i64   job           low half: number of the job (a futex word); high half: its participants, 0 = exit
;   8       ptr   stages        stage records of the job
;   16      i64   stage_count
;   24      i64   idle_spin     pauses of an idle worker before it parks
;   32      i64   barrier_spin  pauses of a participant at a barrier before it parks
;   40      i32   parked        idle workers that are parked or about to be
;   128     i32   arrivals      arrivals at the barriers of this job, all barriers together (a futex word)
;   132     i32   sleeping      participants that are parked at a barrier or about to be
;   256     i64   waited        ticks that the caller has waited at the barriers of the last job
;   264     i64   elapsed       ticks of the last job
;
; A worker record (64 bytes): {ptr team, i64 participant number, i32 number of the last job it need not join}.
; A stage record (32 bytes): {ptr function, ptr arguments, i64 flags, i64 owner}; flag 1: barrier after the stage;
; flag 2: only participant 0 runs it; flag 4: only participant `owner` modulo the participants runs it, as if it were
; alone. A stage function is void(ptr arguments, i64 thread, i64 threads).
;
; A call record: {ptr stages, i64 stage_count, i64 data_offset, i64 patch_count, ptr patches}; then a word for each array,
; the address of its object, which holds that of its elements at data_offset. A patch: {ptr word of an array, ptr target,
; i64 distance}: the target becomes the address of the array's elements plus the distance.
;
; Barrier number k of a job (from 0) is passed when there are (k + 1) * threads arrivals. The end of the job is one
; more barrier, at which only the caller waits; it sets the arrivals to zero before the next job, when nobody can
; look at them.
;
; Who parks first counts itself (a sequentially consistent read-modify-write), then lets the kernel compare the
; futex word; who wakes first changes the word, then reads the count. One of them always sees the other.

%Team = type { i64, ptr, i64, i64, i64, i32, [84 x i8], i32, i32, [120 x i8], i64, i64, [112 x i8] }
%Stage = type { ptr, ptr, i64, i64 }
%Worker = type { ptr, i64, i32 }
%Change = type { ptr, i64, i64 }
%Call = type { ptr, i64, i64, i64, ptr }
%Patch = type { ptr, ptr, i64 }

declare i64 @llvm.readcyclecounter()

; The version of the layouts above; the runtime refuses an image that has another one.
define i64 @lamina_support_version() nounwind {
  ret i64 4
}

; Pauses `count` times, so that the runtime can measure how long a pause takes.
define void @lamina_spin(i64 %count) nounwind {
entry:
  br label %head
head:
  %index = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp ult i64 %index, %count
  br i1 %more, label %body, label %leave
body:
  call void @machine_pause()
  %next = add i64 %index, 1
  br label %head
leave:
  ret void
}

; Runs the stages on `threads` participants, of which the caller is number 0, and returns when all are through.
; `team` has at least `threads` - 1 workers and is used by nobody else meanwhile; it may be null for one thread.
define void @lamina_run(ptr %team, ptr %stages, i64 %stage_count, i64 %threads) nounwind {
entry:
  %mode = call i64 @machine_set_mode()
  %several = icmp ugt i64 %threads, 1
  br i1 %several, label %publish, label %alone
alone:
  call void @run_alone(ptr %stages, i64 %stage_count)
  br label %leave
publish:
  %begin = call i64 @llvm.readcyclecounter()
  %stages_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 1
  store ptr %stages, ptr %stages_field, align 8
  %count_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 2
  store i64 %stage_count, ptr %count_field, align 8
  %arrivals_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 7
  store atomic i32 0, ptr %arrivals_field monotonic, align 4
  %old_job = load atomic i64, ptr %team monotonic, align 8
  %old_number = trunc i64 %old_job to i32
  %number = add i32 %old_number, 1
  %number_wide = zext i32 %number to i64
  %participants = shl i64 %threads, 32
  %job = or i64 %participants, %number_wide
  store atomic i64 %job, ptr %team seq_cst, align 8
  %parked_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 5
  %parked = load atomic i32, ptr %parked_field seq_cst, align 4
  %any_parked = icmp ne i32 %parked, 0
  br i1 %any_parked, label %wake, label %work
wake:
  call void @machine_futex_wake(ptr %team)
  br label %work
work:
  %result = call { i32, i64 } @participate(ptr %team, ptr %stages, i64 %stage_count, i64 0, i64 %threads)
  %end = extractvalue { i32, i64 } %result, 0
  %waited_before = extractvalue { i32, i64 } %result, 1
  call void @arrive(ptr %team, i32 %end)
  %waited_last = call i64 @await_arrivals(ptr %team, i32 %end)
  %waited = add i64 %waited_before, %waited_last
  %waited_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 10
  store i64 %waited, ptr %waited_field, align 8
  %now = call i64 @llvm.readcyclecounter()
  %elapsed = sub i64 %now, %begin
  %elapsed_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 11
  store i64 %elapsed, ptr %elapsed_field, align 8
  br label %leave
leave:
  call void @machine_restore_mode(i64 %mode)
  ret void
}

; The rounds of a loop: `rounds` times @lamina_run, but none after a round that leaves zero in the byte at `condition`, which
; may be null. Between two rounds words are changed, those of argument tables and others: a change (24 bytes) is
; {ptr word, i64 flips, i64 step}, and its word becomes (word ^ flips) + step. Returns how many rounds were run.
define i64 @lamina_repeat(ptr %team, ptr %stages, i64 %stage_count, i64 %threads, ptr %changes, i64 %change_count, i64 %rounds, ptr %condition) nounwind {
entry:
  %asks = icmp ne ptr %condition, null
  br label %head
head:
  %round = phi i64 [ 0, %entry ], [ %done, %tail ]
  %more = icmp ult i64 %round, %rounds
  br i1 %more, label %body, label %leave
body:
  %is_first = icmp eq i64 %round, 0
  br i1 %is_first, label %run, label %change
change:
  %index = phi i64 [ 0, %body ], [ %next, %write ]
  %any_left = icmp ult i64 %index, %change_count
  br i1 %any_left, label %write, label %run
write:
  %word_field = getelementptr inbounds %Change, ptr %changes, i64 %index, i32 0
  %word = load ptr, ptr %word_field, align 8
  %flips_field = getelementptr inbounds %Change, ptr %changes, i64 %index, i32 1
  %flips = load i64, ptr %flips_field, align 8
  %step_field = getelementptr inbounds %Change, ptr %changes, i64 %index, i32 2
  %step = load i64, ptr %step_field, align 8
  %old = load i64, ptr %word, align 8
  %flipped = xor i64 %old, %flips
  %new = add i64 %flipped, %step
  store i64 %new, ptr %word, align 8
  %next = add i64 %index, 1
  br label %change
run:
  call void @lamina_run(ptr %team, ptr %stages, i64 %stage_count, i64 %threads)
  %done = add i64 %round, 1
  br i1 %asks, label %ask, label %tail
ask:
  %answer = load i8, ptr %condition, align 1
  %ends = icmp eq i8 %answer, 0
  br i1 %ends, label %leave, label %tail
tail:
  br label %head
leave:
  %count = phi i64 [ %round, %head ], [ %done, %ask ]
  ret i64 %count
}

; Runs the stages of a call record on the calling thread, on the arrays that stand in it.
define void @lamina_run_call(ptr %call) nounwind {
entry:
  %mode = call i64 @machine_set_mode()
  %offset_field = getelementptr inbounds %Call, ptr %call, i64 0, i32 2
  %offset = load i64, ptr %offset_field, align 8
  %patch_count_field = getelementptr inbounds %Call, ptr %call, i64 0, i32 3
  %patch_count = load i64, ptr %patch_count_field, align 8
  %patches_field = getelementptr inbounds %Call, ptr %call, i64 0, i32 4
  %patches = load ptr, ptr %patches_field, align 8
  br label %head
head:
  %index = phi i64 [ 0, %entry ], [ %next, %patch ]
  %more = icmp ult i64 %index, %patch_count
  br i1 %more, label %patch, label %work
patch:
  %array_field = getelementptr inbounds %Patch, ptr %patches, i64 %index, i32 0
  %array = load ptr, ptr %array_field, align 8
  %object = load ptr, ptr %array, align 8
  %data_field = getelementptr inbounds i8, ptr %object, i64 %offset
  %data = load i64, ptr %data_field, align 8
  %distance_field = getelementptr inbounds %Patch, ptr %patches, i64 %index, i32 2
  %distance = load i64, ptr %distance_field, align 8
  %address = add i64 %data, %distance
  %target_field = getelementptr inbounds %Patch, ptr %patches, i64 %index, i32 1
  %target = load ptr, ptr %target_field, align 8
  store i64 %address, ptr %target, align 8
  %next = add i64 %index, 1
  br label %head
work:
  %stages = load ptr, ptr %call, align 8
  %stage_count_field = getelementptr inbounds %Call, ptr %call, i64 0, i32 1
  %stage_count = load i64, ptr %stage_count_field, align 8
  call void @run_alone(ptr %stages, i64 %stage_count)
  call void @machine_restore_mode(i64 %mode)
  ret void
}

; Start routine of a worker thread: joins the jobs of its team until one with no participants tells it to end.
define ptr @lamina_worker(ptr %worker) nounwind {
entry:
  %team = load ptr, ptr %worker, align 8
  %thread_field = getelementptr inbounds %Worker, ptr %worker, i64 0, i32 1
  %thread = load i64, ptr %thread_field, align 8
  %seen_field = getelementptr inbounds %Worker, ptr %worker, i64 0, i32 2
  %seen_first = load i32, ptr %seen_field, align 4
  %mode = call i64 @machine_set_mode()
  br label %next
next:
  %seen = phi i32 [ %seen_first, %entry ], [ %number, %take ], [ %number, %work ]
  %job = call i64 @await_job(ptr %team, i32 %seen)
  %number = trunc i64 %job to i32
  %threads = lshr i64 %job, 32
  %ended = icmp eq i64 %threads, 0
  br i1 %ended, label %leave, label %take
take:
  %joins = icmp ult i64 %thread, %threads
  br i1 %joins, label %work, label %next
work:
  %stages_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 1
  %stages = load ptr, ptr %stages_field, align 8
  %count_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 2
  %stage_count = load i64, ptr %count_field, align 8
  %result = call { i32, i64 } @participate(ptr %team, ptr %stages, i64 %stage_count, i64 %thread, i64 %threads)
  %end = extractvalue { i32, i64 } %result, 0
  call void @arrive(ptr %team, i32 %end)
  br label %next
leave:
  call void @machine_restore_mode(i64 %mode)
  ret ptr null
}

; All stages on the calling thread, without atomics.
define internal void @run_alone(ptr %stages, i64 %stage_count) nounwind {
entry:
  br label %head
head:
  %index = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp ult i64 %index, %stage_count
  br i1 %more, label %body, label %leave
body:
  %function_field = getelementptr inbounds %Stage, ptr %stages, i64 %index, i32 0
  %function = load ptr, ptr %function_field, align 8
  %arguments_field = getelementptr inbounds %Stage, ptr %stages, i64 %index, i32 1
  %arguments = load ptr, ptr %arguments_field, align 8
  call void %function(ptr %arguments, i64 0, i64 1)
  %next = add i64 %index, 1
  br label %head
leave:
  ret void
}

; The share of participant `thread` in a job. The barrier after the last stage is left to the end of the job;
; returns how many arrivals that has, and the ticks that were waited at the barriers before.
define internal { i32, i64 } @participate(ptr %team, ptr %stages, i64 %stage_count, i64 %thread, i64 %threads) nounwind {
entry:
  %last = sub i64 %stage_count, 1
  %is_worker = icmp ne i64 %thread, 0
  %participants = trunc i64 %threads to i32
  br label %head
head:
  %index = phi i64 [ 0, %entry ], [ %next, %advance ]
  %target = phi i32 [ %participants, %entry ], [ %next_target, %advance ]
  %waited = phi i64 [ 0, %entry ], [ %next_waited, %advance ]
  %more = icmp ult i64 %index, %stage_count
  br i1 %more, label %body, label %leave
body:
  %flags_field = getelementptr inbounds %Stage, ptr %stages, i64 %index, i32 2
  %flags = load i64, ptr %flags_field, align 8
  %serial_bit = and i64 %flags, 2
  %serial = icmp ne i64 %serial_bit, 0
  %skips = and i1 %serial, %is_worker
  %own_bit = and i64 %flags, 4
  %is_own = icmp ne i64 %own_bit, 0
  br i1 %skips, label %meet, label %choose
choose:
  br i1 %is_own, label %own, label %execute
own:
  %owner_field = getelementptr inbounds %Stage, ptr %stages, i64 %index, i32 3
  %owner = load i64, ptr %owner_field, align 8
  %turn = urem i64 %owner, %threads
  %is_mine = icmp eq i64 %turn, %thread
  br i1 %is_mine, label %execute, label %meet
execute:
  %share = select i1 %is_own, i64 0, i64 %thread
  %shares = select i1 %is_own, i64 1, i64 %threads
  %function_field = getelementptr inbounds %Stage, ptr %stages, i64 %index, i32 0
  %function = load ptr, ptr %function_field, align 8
  %arguments_field = getelementptr inbounds %Stage, ptr %stages, i64 %index, i32 1
  %arguments = load ptr, ptr %arguments_field, align 8
  call void %function(ptr %arguments, i64 %share, i64 %shares)
  br label %meet
meet:
  %barrier_bit = and i64 %flags, 1
  %wants_barrier = icmp ne i64 %barrier_bit, 0
  %not_last = icmp ne i64 %index, %last
  %waits = and i1 %wants_barrier, %not_last
  br i1 %waits, label %arrive, label %advance
arrive:
  %beyond = add i32 %target, %participants
  call void @arrive(ptr %team, i32 %target)
  %ticks = call i64 @await_arrivals(ptr %team, i32 %target)
  %more_waited = add i64 %waited, %ticks
  br label %advance
advance:
  %next_target = phi i32 [ %target, %meet ], [ %beyond, %arrive ]
  %next_waited = phi i64 [ %waited, %meet ], [ %more_waited, %arrive ]
  %next = add i64 %index, 1
  br label %head
leave:
  %first = insertvalue { i32, i64 } poison, i32 %target, 0
  %both = insertvalue { i32, i64 } %first, i64 %waited, 1
  ret { i32, i64 } %both
}

; Counts an arrival; the one that makes it `target` wakes those that are parked.
define internal void @arrive(ptr %team, i32 %target) alwaysinline nounwind {
entry:
  %arrivals_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 7
  %sleeping_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 8
  %before = atomicrmw add ptr %arrivals_field, i32 1 seq_cst, align 4
  %arrivals = add i32 %before, 1
  %is_last = icmp eq i32 %arrivals, %target
  br i1 %is_last, label %check, label %leave
check:
  %sleeping = load atomic i32, ptr %sleeping_field seq_cst, align 4
  %any_sleeping = icmp ne i32 %sleeping, 0
  br i1 %any_sleeping, label %wake, label %leave
wake:
  call void @machine_futex_wake(ptr %arrivals_field)
  br label %leave
leave:
  ret void
}

; Returns when there are at least `target` arrivals, and says how many ticks that has taken; the first 64 pauses, about a
; microsecond, are not counted, since reading the clock costs as much as a barrier.
define internal i64 @await_arrivals(ptr %team, i32 %target) alwaysinline nounwind {
entry:
  %arrivals_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 7
  br label %glance
glance:
  %glances = phi i64 [ 0, %entry ], [ %next_glances, %blink ]
  %glanced = load atomic i32, ptr %arrivals_field acquire, align 4
  %early = icmp uge i32 %glanced, %target
  br i1 %early, label %at_once, label %consider
consider:
  %brief = icmp ult i64 %glances, 64
  br i1 %brief, label %blink, label %wait
blink:
  call void @machine_pause()
  %next_glances = add i64 %glances, 1
  br label %glance
at_once:
  ret i64 0
wait:
  %begin = call i64 @llvm.readcyclecounter()
  %sleeping_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 8
  %limit_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 4
  %limit = load i64, ptr %limit_field, align 8
  br label %spin
spin:
  %count = phi i64 [ 64, %wait ], [ %next_count, %pause ]
  %seen = load atomic i32, ptr %arrivals_field acquire, align 4
  %short = icmp ult i32 %seen, %target
  br i1 %short, label %check, label %leave
check:
  %patient = icmp ult i64 %count, %limit
  br i1 %patient, label %pause, label %park
pause:
  call void @machine_pause()
  %next_count = add i64 %count, 1
  br label %spin
park:
  %ignored_increment = atomicrmw add ptr %sleeping_field, i32 1 seq_cst, align 4
  br label %sleep
sleep:
  %seen_before = load atomic i32, ptr %arrivals_field seq_cst, align 4
  %still_short = icmp ult i32 %seen_before, %target
  br i1 %still_short, label %doze, label %rise
doze:
  call void @machine_futex_wait(ptr %arrivals_field, i32 %seen_before)
  br label %sleep
rise:
  %ignored_decrement = atomicrmw sub ptr %sleeping_field, i32 1 monotonic, align 4
  br label %leave
leave:
  %end = call i64 @llvm.readcyclecounter()
  %ticks = sub i64 %end, %begin
  ret i64 %ticks
}

; Waits for a job other than number `seen`; returns the job word. Number and participants are read together, so
; that a worker which is no participant never looks at a job that may already be replaced.
define internal i64 @await_job(ptr %team, i32 %seen) nounwind {
entry:
  %parked_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 5
  %limit_field = getelementptr inbounds %Team, ptr %team, i64 0, i32 3
  %limit = load i64, ptr %limit_field, align 8
  br label %spin
spin:
  %count = phi i64 [ 0, %entry ], [ %next_count, %pause ]
  %job = load atomic i64, ptr %team acquire, align 8
  %number = trunc i64 %job to i32
  %is_new = icmp ne i32 %number, %seen
  br i1 %is_new, label %leave, label %check
check:
  %patient = icmp ult i64 %count, %limit
  br i1 %patient, label %pause, label %park
pause:
  call void @machine_pause()
  %next_count = add i64 %count, 1
  br label %spin
park:
  %ignored_increment = atomicrmw add ptr %parked_field, i32 1 seq_cst, align 4
  br label %sleep
sleep:
  call void @machine_futex_wait(ptr %team, i32 %seen)
  %job_awake = load atomic i64, ptr %team acquire, align 8
  %number_awake = trunc i64 %job_awake to i32
  %still_old = icmp eq i32 %number_awake, %seen
  br i1 %still_old, label %sleep, label %rise
rise:
  %ignored_decrement = atomicrmw sub ptr %parked_field, i32 1 monotonic, align 4
  ret i64 %job_awake
leave:
  ret i64 %job
}
