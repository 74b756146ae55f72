# What meets foreign bytes in src/agent.
foreach(parser link_frames session_frames agent_request agent_answers agent_cmdline agent_entry agent_texts agent_transfer)
  banger_fuzz_target(${parser} SOURCES agent/${parser}.cpp LINK banger_agent_client banger_agent_guest)
endforeach()
