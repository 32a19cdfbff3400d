import gymnasium as gym
import minari

env = minari.DataCollector(gym.make("lunar_env:Lunar/Vertical-v0"), record_infos=True)
for seed in range(20):
    env.reset(seed=seed)
    done = False
    while not done:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        done = terminated or truncated
env.create_dataset("lunar/vertical/random-v0", algorithm_name="random", eval_env="Lunar/Vertical-v0")

dataset = minari.load_dataset("lunar/vertical/random-v0")
landed = [episode.infos["is_success"][-1] for episode in dataset.iterate_episodes()]
again = dataset.recover_environment()  # an environment of the same keywords
