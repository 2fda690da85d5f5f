INSERT INTO copy_fills (copy_id, n, signal_id, time, side, quantity, leader_px, arrival_px, px, fee_usd)
VALUES (%(copy_id)s, %(n)s, %(signal_id)s, %(time)s, %(side)s, %(quantity)s, %(leader_px)s,
    %(arrival_px)s, %(px)s, %(fee_usd)s)
