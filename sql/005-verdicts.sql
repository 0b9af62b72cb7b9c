-- Questions, answers and what they do (rules ATOMIC, NEWEST, CLOSED, CALM). One host is a set of one.

-- A question about these hosts begins: its number, and the time read after the number was drawn.
create function begin_poll(p_hosts uuid[]) returns table (question bigint, asked_at timestamptz)
language plpgsql volatile as $$
begin
    question := nextval('questions');
    asked_at := clock_timestamp();
    return next;
end $$;

-- Records the answers to one question, and in the same transaction everything that they do. The arrays belong together;
-- outcomes: trusted, untrusted, unanswered, silent; valid_until: of trusted only. Dropped (accepted = false) is what is
-- about a host that is gone, or what is not newer than the answer on record, or than the host's present connection. Of a
-- host that is not connected, only distrust is recorded where it would act, and anything where it is kept for the record.
create function record_verdicts(p_question bigint, p_asked_at timestamptz, p_hosts uuid[], p_outcomes text[], p_reasons text[],
                                p_details text[], p_valid_until timestamptz[])
returns table (ord integer, host uuid, accepted boolean, status text, reason text)
language plpgsql volatile
set plan_cache_mode = force_custom_plan -- a plan made without knowing how long the arrays are takes twice the time for long ones
as $$
#variable_conflict use_column
declare
    v_accepted uuid[];
    v_trusted uuid[];
    v_untrusted uuid[];
    v_unanswered uuid[];
begin
    if exists (select from unnest(p_outcomes, p_valid_until) g (outcome, valid_until)
               where outcome is null or outcome not in ('trusted', 'untrusted', 'unanswered', 'silent')
                  or (outcome = 'trusted' and valid_until is null)) then
        perform refuse(400, 'An outcome is trusted (with valid_until), untrusted, unanswered or silent.');
    end if;
    perform lock_hosts(p_hosts);
    with given as (
        select * from unnest(p_hosts, p_outcomes, p_reasons, p_details, p_valid_until) g (host, outcome, reason, detail, valid_until)
    ), evacuating as materialized (
        select host_id from evacuations
    ), done as (
        update hosts h set
            asked_at = p_asked_at,
            question = case g.outcome when 'silent' then h.question else p_question end,
            verdict = case when g.outcome in ('trusted', 'untrusted') then g.outcome else h.verdict end,
            verdict_reason = case when g.outcome = 'silent' then h.verdict_reason else coalesce(left(g.reason, 1024), '') end,
            verdict_detail = case when g.outcome = 'silent' then h.verdict_detail else coalesce(left(g.detail, 1024), '') end,
            valid_until = case g.outcome when 'trusted' then g.valid_until when 'untrusted' then null else h.valid_until end,
            unanswered_since = case g.outcome when 'silent' then h.unanswered_since
                                              when 'unanswered' then coalesce(h.unanswered_since, p_asked_at) end
        from given g, clusters c, host_transition t
        where h.id = g.host and c.id = h.cluster_id
          and t.trusted = c.trusted_service and t.status = h.status and t.event = g.outcome
          and p_question > h.question and p_question > h.connected_question
          and (h.connected or g.outcome = 'untrusted'
               or h.status in ('non_responsive', 'preparing_for_maintenance', 'maintenance', 'down'))
        returning h.id, g.outcome,
            g.outcome <> 'silent' and (t.to_status <> h.status or t.to_reason <> h.reason or t.empties <> 'no' or h.activating
                or (g.outcome = 'untrusted' and not h.distrusted) or (g.outcome = 'trusted' and h.distrusted)
                or h.id in (select host_id from evacuating)) as acts
    )
    select array_agg(id), array_agg(id) filter (where acts and outcome = 'trusted'),
           array_agg(id) filter (where acts and outcome = 'untrusted'), array_agg(id) filter (where acts and outcome = 'unanswered')
    into v_accepted, v_trusted, v_untrusted, v_unanswered
    from done;
    if v_trusted is not null then
        perform apply_host_event(v_trusted, 'trusted');
    end if;
    if v_untrusted is not null then
        perform apply_host_event(v_untrusted, 'untrusted');
    end if;
    if v_unanswered is not null then
        perform apply_host_event(v_unanswered, 'unanswered');
    end if;
    if v_accepted is not null then
        perform notify_manager('verdict');
    end if;
    return query
        select g.ord::integer, g.host, a.id is not null, h.status::text, h.reason
        from unnest(p_hosts) with ordinality g (host, ord)
        left join unnest(v_accepted) a (id) on a.id = g.host
        left join hosts h on h.id = g.host
        order by g.ord;
end $$;

-- Hosts that are up on a verdict whose life is over.
create function expire_verdicts() returns setof host_change
language plpgsql volatile as $$
declare
    v_expired uuid[];
    v_unanswered uuid[];
    v_due uuid[];
begin
    select array_agg(h.id) into v_due from hosts h join clusters c on c.id = h.cluster_id
    where c.trusted_service and h.status = 'up' and (h.valid_until is null or h.valid_until <= clock_timestamp());
    if v_due is null then
        return;
    end if;
    perform lock_hosts(v_due);
    select array_agg(h.id) filter (where h.unanswered_since is null), array_agg(h.id) filter (where h.unanswered_since is not null)
    into v_expired, v_unanswered
    from hosts h where h.id = any(v_due) and h.status = 'up' and (h.valid_until is null or h.valid_until <= clock_timestamp());
    if v_expired is not null then
        return query select * from apply_host_event(v_expired, 'expired');
    end if;
    if v_unanswered is not null then
        return query select * from apply_host_event(v_unanswered, 'unanswered_expired');
    end if;
end $$;

-- When the next verdict expires; null: none will.
create function next_expiry() returns timestamptz
language sql stable as $$
    select min(h.valid_until) from hosts h join clusters c on c.id = h.cluster_id where c.trusted_service and h.status = 'up'
$$;

-- Connected hosts that want to be asked again, the oldest question first: those of trusted clusters, and those of others
-- while a VM that requires trust is there or on its way there.
create function hosts_due(p_asked_before timestamptz, p_max integer) returns table (id uuid, name text, attestation_id text)
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
        select h.id, h.name, h.attestation_id from hosts h join clusters c on c.id = h.cluster_id
        where h.connected and h.status in ('initializing', 'up', 'non_operational') and (h.asked_at is null or h.asked_at < p_asked_before)
          and (c.trusted_service
               or exists (select from vms v where h.id in (v.host_id, v.target_host_id) and requires_trust(v.id)))
        order by h.asked_at nulls first, h.id limit p_max;
end $$;
