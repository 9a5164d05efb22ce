"""The lanes' goals, G1 to G9: the real scripts in a real Valkey, under virtual time and with fixed seeds.

world      people, workers and time around one lane     provider   a provider's own buckets, with both ways of charging
scenarios  the worlds that are measured                 formulas   how Gradio and Cloudflare estimate, on the same trace
scores     announced against actual                     shown      what people see of it
discipline no refusals that we earned                   faults     nothing lost, nothing run twice
cost       what scripts and estimates cost, real time   suite      the goals and their figures
"""
